"""Keeps views up to date: reads events, applies batches, moves cursors, rebuilds views."""
