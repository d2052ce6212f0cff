"""Copying the WAL back into the database, off the hot path, on a thread of its own."""

from __future__ import annotations

import sqlalchemy as sa

from indelible.events.turns import Turns

WAL_GROWTH = 2_000
"""Pages, about, after which to copy back: 8 MiB, read again in some 10 ms after a crash."""

_FEW = 200  # pages that may be left for the turn in which nobody writes: a millisecond or two
_ROUNDS = 3


def copy_back(engine: sa.Engine, turns: Turns) -> None:
    """Copy the WAL into the database and let the next commit begin it anew.

    While others write, the WAL is copied on a connection of its own; only what has come meanwhile
    is copied in a turn, since a WAL that is always being added to never begins anew.  A reader that
    holds on to an old state delays it until the next time.
    """
    with engine.connect() as connection:
        for _ in range(_ROUNDS):
            if _checkpoint(connection) <= _FEW:
                break
        with turns:
            _checkpoint(connection)


def _checkpoint(connection: sa.Connection) -> int:
    """Copy what can be copied without waiting for anybody; the pages that are left."""
    row = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
    return int(row[1]) - int(row[2])
