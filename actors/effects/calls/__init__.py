"""Calls of actors: functions of the host, attempted and retried."""
