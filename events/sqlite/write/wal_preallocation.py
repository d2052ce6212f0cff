"""Gives the WAL file its usual size before the first commit.

A commit that overwrites existing blocks of the file was measured to be two to three times as fast
as one that makes the file grow, which also changes the file system's own journal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from indelible.events.sqlite.write.wal_checkpoint import WAL_GROWTH

_CHUNK = 64 * 1024  # bytes of one row: more than the page cache, so that it spills into the WAL
_CACHE = 16  # pages
_PAGE = 4_096 + 24  # bytes of one page in the WAL

Execute = Callable[..., Any]


def make_room(execute: Execute) -> None:
    """Fill the WAL with pages of a transaction that is rolled back; nothing is committed.

    After a crash SQLite ignores pages without a commit.  On a full disk the WAL stays small, so
    that the appends can use the space that is left.
    """
    [[cache]] = execute("PRAGMA cache_size").fetchall()
    execute(f"PRAGMA cache_size={_CACHE}")
    try:
        execute("BEGIN IMMEDIATE")
        with suppress(sqlite3.OperationalError):
            for number in range(WAL_GROWTH * _PAGE // _CHUNK):
                row = (number.to_bytes(8, "big"), _CHUNK)
                execute("INSERT INTO blobs (digest, content) VALUES (?, zeroblob(?))", row)
        with suppress(sqlite3.OperationalError):  # SQLite may have rolled back itself
            execute("ROLLBACK")
    finally:
        execute(f"PRAGMA cache_size={cache}")
