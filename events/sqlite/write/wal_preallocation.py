"""Room for the WAL, made before the first commit needs it.

A commit that only overwrites what the file has already is two to three times as fast, on the disks
we measured, as one that makes the file grow: growing is a change of the file system's own journal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from indelible.events.sqlite.write.wal_checkpoint import WAL_GROWTH

_CHUNK = 64 * 1024  # bytes of one row: the page cache holds fewer, so that it spills into the WAL
_CACHE = 16  # pages
_PAGE = 4_096 + 24  # bytes of one page in the WAL

Execute = Callable[..., Any]


def make_room(execute: Execute) -> None:
    """Fill the WAL with pages of a transaction that is rolled back; nothing is committed.

    After a crash SQLite ignores pages without a commit.  Where there is no room, none is made: what
    little is left is for the appends.
    """
    [[cache]] = execute("PRAGMA cache_size").fetchall()
    execute(f"PRAGMA cache_size={_CACHE}")
    try:
        execute("BEGIN IMMEDIATE")
        with suppress(sqlite3.OperationalError):
            for number in range(WAL_GROWTH * _PAGE // _CHUNK):
                row = (number.to_bytes(8, "big"), _CHUNK)
                execute("INSERT INTO blobs (digest, content) VALUES (?, zeroblob(?))", row)
        with suppress(sqlite3.OperationalError):  # SQLite has rolled back by itself
            execute("ROLLBACK")
    finally:
        execute(f"PRAGMA cache_size={cache}")
