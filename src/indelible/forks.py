"""What a forked child inherits and must not use: in the child, each such object is told at once.

Only the thread that forks goes on in a child: what other threads did is never finished there, their
locks are never released, and the connections and files are still the parent's.  So nothing in a
child waits, and nothing closes what it has inherited.
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
    """What has locks, threads, connections or files."""

    def _forked(self, parent: int, /) -> None:
        """Be in a child of process ``parent``, on its only thread; never wait, never raise."""
        ...


_watched: WeakSet[Inherited] = WeakSet()
_renewals: list[Callable[[], object]] = []
_process = os.getpid()


def watch(thing: Inherited) -> None:
    """Tell ``thing`` when it finds itself in a forked child; it is held weakly."""
    _watched.add(thing)


def renew_in_child(renewal: Callable[[], object]) -> None:
    """Call ``renewal`` in every forked child; for the locks of a module, which a child uses too."""
    _renewals.append(renewal)


def process_wide(lock: Lock) -> Lock:
    """``lock``, which is free in every child; for one that no object of a system has for itself."""
    renewal = "_at_fork_reinit"  # which the standard library calls for locks of its own
    renew_in_child(getattr(lock, renewal))
    return lock


def leave(error: BaseException | None) -> NoReturn:
    """End this child, which has come back from a user's code into a thread of ours.

    As the interpreter ends a program: 0 after a return, the status of a SystemExit, or 1 after the
    traceback of anything else.  Nothing that was inherited is closed.
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
    """End this child, which has come back to a loop that goes on in its parent alone."""
    leave(
        RuntimeError(
            "a forked child went on in a thread of its parent's system, where nothing runs for it: "
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
