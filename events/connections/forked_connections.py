"""Connections in a forked child: being the parent's, they are not used, closed or freed there."""

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
_records: WeakSet[Any] = WeakSet()  # of their pools: each has a connection
_kept: list[object] = []


def leave_to_parent(engine: sa.Engine) -> None:
    """See that no child ends a connection of ``engine``, nor says a word on it."""
    _engines.add(engine)

    @listens_for(engine, "connect")
    def _(_connection: object, record: object) -> None:
        _records.add(record)


def keep(thing: object) -> None:
    """Never free ``thing`` in this process, not even at its end.

    A connection to SQLite that ends in a child would remove the write-ahead log of the process that
    has the database by then.
    """
    _kept.append(thing)
    api = getattr(ctypes, "pythonapi", None)  # CPython's, which frees what nothing refers to
    if api is not None:
        api.Py_IncRef(ctypes.py_object(thing))


def _in_child() -> None:
    for engine in list(_engines):
        for ending in ("do_rollback", "do_commit", "do_close", "do_terminate"):
            setattr(engine.dialect, ending, _leave_alone)
    pooled = [record.dbapi_connection for record in list(_records)]
    for connection in [*made, *pooled]:
        if connection is not None:
            keep(connection)
            _silence(connection)


def _leave_alone(_connection: object) -> None:
    """Stand where an end would be put to a transaction, or to a connection."""


def _silence(connection: Any) -> None:
    """Let a connection to a server lead nowhere.

    Nothing that is still done with it reaches the server, which sees the parent's end when it
    comes: a child that lives longer would keep the connection, and its locks, alive.
    """
    fileno = getattr(connection, "fileno", None)  # a file's connection has none
    if fileno is None:
        return
    handles = getattr(connection, "handles", lambda: (fileno(),))
    try:
        numbers = handles()
        nowhere = os.open(os.devnull, os.O_RDWR)
    except Exception:  # noqa: BLE001 - a driver's own: it is closed already
        return
    for number in numbers:
        with suppress(OSError):
            os.dup2(nowhere, number, inheritable=False)
    os.close(nowhere)


renew_in_child(_in_child)
