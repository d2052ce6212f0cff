"""Connections that are being made: a fork waits for them, since its child could not find them.

Until a driver has made a connection, nothing but the driver knows its socket.  A child that
inherits such a socket would keep the connection alive, and its locks, when the parent has died.
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
"""Seconds that a fork waits at most: more than a server takes that answers at all."""

C = TypeVar("C")

made: WeakSet[Any] = WeakSet()
"""What :func:`connecting` has returned."""

_under_way: set[object] = set()
_changed = process_wide(threading.Condition())  # a fork holds it, so that none begins meanwhile


def connecting(connect: Callable[[], C]) -> C:
    """What ``connect()`` returns: a connection that is made before a fork, or after it."""
    attempt = object()
    with _changed:
        _under_way.add(attempt)
    try:
        connection = connect()
        with suppress(TypeError):  # not every driver's can be held weakly
            made.add(connection)
    finally:
        with _changed:
            _under_way.discard(attempt)
            _changed.notify_all()
    return connection


def _before_fork() -> None:
    _changed.acquire()
    _changed.wait_for(lambda: not _under_way, FORK_WAITS)


renew_in_child(_under_way.clear)  # only the thread that forks goes on
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_changed.release)
