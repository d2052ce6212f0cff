"""Objects that a forked child inherits and must not use: each is notified in the child at once.

Only the thread that forks continues in a child.  The work of the other threads is never finished
there, their locks are never released, and connections and files still belong to the parent.  So a
child never waits for an inherited object and never closes one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, Protocol, TypeVar
from weakref import WeakSet

Lock = TypeVar("Lock")


class Inherited(Protocol):
    """An object that has locks, threads, connections or files."""

    def _forked(self, parent: int, /) -> None:
        """Called in a child of process ``parent``, on its only thread; may not wait or raise."""
        ...


_watched: WeakSet[Inherited] = WeakSet()
_renewals: list[Callable[[], object]] = []
_process = os.getpid()


def watch(thing: Inherited) -> None:
    """Call ``thing._forked`` in every forked child; ``thing`` is held weakly."""
    _watched.add(thing)


def renew_in_child(renewal: Callable[[], object]) -> None:
    """Call ``renewal`` in every forked child; for locks of a module, which a child uses too."""
    _renewals.append(renewal)


def process_wide(lock: Lock) -> Lock:
    """Return ``lock``, a lock of a module, which every forked child gets released."""
    renewal = "_at_fork_reinit"  # the standard library calls it for its own locks
    renew_in_child(getattr(lock, renewal))
    return lock


def leave(error: BaseException | None) -> NoReturn:
    """End this forked child, in which user code has returned to one of our threads.

    The exit status is the interpreter's: 0 after a return, the status of a SystemExit, or 1 after
    the traceback of any other error.  No inherited object is closed.
    """
    status = 0
    if isinstance(error, SystemExit):
        status = _status(error.code)
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(status)


def leave_loop() -> NoReturn:
    """End this forked child, which has returned to a loop that runs in its parent only."""
    leave(
        RuntimeError(
            "a forked child continued in a thread of its parent's system, which it does not run: "
            "end it with os._exit() in the function that forks"
        )
    )


def _status(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    with suppress(Exception):
        sys.stderr.write(f"{code}\n")
    return 1


def _in_child() -> None:
    global _process
    parent, _process = _process, os.getpid()
    for renewal in _renewals:
        renewal()
    for thing in list(_watched):
        thing._forked(parent)


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
