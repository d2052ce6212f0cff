"""Locks that starve no thread, and a thread for the store's own tasks."""
