"""Queries of the views: now, as of a moment, and how far the views are behind the log."""
