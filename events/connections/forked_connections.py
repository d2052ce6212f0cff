"""Keeps a forked child from using, closing or freeing the connections of its parent."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.event import listens_for

from indelible.events.connections.unfinished_connections import made
from indelible.forks import renew_in_child

_engines: WeakSet[sa.Engine] = WeakSet()
_records: WeakSet[Any] = WeakSet()  # the pools' records, each with a connection
_kept: list[object] = []


def leave_to_parent(engine: sa.Engine) -> None:
    """Make sure that no child closes a connection of ``engine`` or sends anything on it."""
    _engines.add(engine)

    @listens_for(engine, "connect")
    def _(_connection: object, record: object) -> None:
        _records.add(record)


def keep(thing: object) -> None:
    """Never free ``thing`` in this process, not even when the process ends.

    A SQLite connection that is closed in a child would remove the write-ahead log of the process
    that owns the database by then.
    """
    _kept.append(thing)
    api = getattr(ctypes, "pythonapi", None)  # CPython frees an object without references
    if api is not None:
        api.Py_IncRef(ctypes.py_object(thing))


def _in_child() -> None:
    for engine in list(_engines):
        for ending in ("do_rollback", "do_commit", "do_close", "do_terminate"):
            setattr(engine.dialect, ending, _do_nothing)
    pooled = [record.dbapi_connection for record in list(_records)]
    for connection in [*made, *pooled]:
        if connection is not None:
            keep(connection)
            _disconnect(connection)


def _do_nothing(_connection: object) -> None:
    """Replace the functions that end a transaction or a connection."""


def _disconnect(connection: Any) -> None:
    """Replace the socket of a connection to a server with the null device.

    The child then sends nothing to the server, and the server notices when the parent ends:
    otherwise a child that lives longer would keep the connection, and its locks, alive.
    """
    fileno = getattr(connection, "fileno", None)  # a connection to a file has none
    if fileno is None:
        return
    handles = getattr(connection, "handles", lambda: (fileno(),))
    try:
        numbers = handles()
        null = os.open(os.devnull, os.O_RDWR)
    except Exception:  # noqa: BLE001 - the driver's error: the connection is closed already
        return
    for number in numbers:
        with suppress(OSError):
            os.dup2(null, number, inheritable=False)
    os.close(null)


renew_in_child(_in_child)
