"""Locks that starve no thread, and a thread for tasks of the store's own."""
