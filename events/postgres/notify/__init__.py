"""Telling other processes of commits, and hearing of theirs (LISTEN and NOTIFY)."""
