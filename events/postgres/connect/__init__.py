"""Connections to PostgreSQL, and the watchdog that cuts those without an answer."""
