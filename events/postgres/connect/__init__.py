"""Connections to PostgreSQL, and the watchdog that ends those which get no answer."""
