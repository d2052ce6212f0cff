"""Remembers whether this process was forked while SQLite was in use: then it may open no store.

SQLite keeps the mutexes of its library, and a table of this process's file locks, in memory that a
fork copies.  In the child a mutex that another thread held is held for ever, and the copied table
lists locks that the child does not have: a connection made there can hang, wait for a writer that
has finished, or read pages that are being overwritten.
https://www.sqlite.org/howtocorrupt.html, 2.6.
"""

from __future__ import annotations

from indelible.errors import ForkedError

_in_use: list[tuple[str, int]] = []  # stores open at a fork; filled in the child, before it opens


def note_use_at_fork(url: str, parent: int) -> None:
    """Note, in a forked child, that its ``parent`` had ``url`` open."""
    _in_use.append((url, parent))


def check_not_in_use_at_fork() -> None:
    """Check that SQLite was not in use when this process, or an ancestor of it, was forked.

    Raises:
        ForkedError: SQLite was in use.
    """
    if _in_use:
        url, parent = _in_use[0]
        raise ForkedError("SQLite", url, parent)
