"""Makes a fork wait for connections that are being opened.

Until a connection is open, only the driver knows its socket.  A forked child that inherits such a
socket could not close it, and would keep the connection and its locks alive after the parent's
death.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakSet

from indelible.forks import process_wide, renew_in_child

FORK_WAITS = 1.0
"""Seconds that a fork waits at most: longer than a server that answers needs."""

C = TypeVar("C")

made: WeakSet[Any] = WeakSet()
"""The connections that :func:`connecting` has returned."""

_under_way: set[object] = set()
_changed = process_wide(threading.Condition())  # held by a fork, so that no attempt begins


def connecting(connect: Callable[[], C]) -> C:
    """Call ``connect()`` and return its connection; no fork happens meanwhile."""
    attempt = object()
    with _changed:
        _under_way.add(attempt)
    try:
        connection = connect()
        with suppress(TypeError):  # the connections of some drivers have no weak references
            made.add(connection)
    finally:
        with _changed:
            _under_way.discard(attempt)
            _changed.notify_all()
    return connection


def _before_fork() -> None:
    _changed.acquire()
    _changed.wait_for(lambda: not _under_way, FORK_WAITS)


renew_in_child(_under_way.clear)  # only the forking thread exists in the child
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_changed.release)
