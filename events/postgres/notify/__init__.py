"""Hints between processes about commits (LISTEN and NOTIFY)."""
