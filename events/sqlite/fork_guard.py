"""Whether this process was forked while SQLite was in use: then it may open no store any more.

SQLite keeps the mutexes of its library, and which locks this process has on which file, in memory
that a fork copies.  In the child a mutex that another thread held is held for ever, and a copied
table claims locks that the child does not have: a connection made there can hang, wait for a
writer that is long done, or read what is being overwritten.
https://www.sqlite.org/howtocorrupt.html, 2.6.
"""

from __future__ import annotations

from indelible.errors import ForkedError

_carried: list[tuple[str, int]] = []  # of this process alone; filled in a child, before it can open


def carry_over(url: str, parent: int) -> None:
    """Note, in a forked child, that its ``parent`` had ``url`` open."""
    _carried.append((url, parent))


def check_not_carried_over() -> None:
    """See that SQLite was not in use when this process was forked, nor one that it comes from.

    Raises:
        ForkedError: It was.
    """
    if _carried:
        url, parent = _carried[0]
        raise ForkedError("SQLite", url, parent)
