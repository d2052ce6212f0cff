"""Keeps views up to date: events in, batches applied, cursors moved, views rebuilt."""
