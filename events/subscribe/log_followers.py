"""Wakes the readers of a log when events are committed, on threads and on event loops."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from indelible.events.store import EventStore
from indelible.forks import watch


class WakeUp:
    """An event that any thread sets and one thread or task waits for; setting it first counts."""

    __slots__ = ("_event", "_lock", "_waiting")

    def __init__(self) -> None:
        """Start unset."""
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._waiting: asyncio.Future[None] | None = None

    def set(self, *_: object) -> None:
        """Wake the waiting thread or task, or the next one; quick, never raises."""
        if self._event.is_set():
            return
        with self._lock:
            self._event.set()
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            with suppress(RuntimeError):  # the event loop is closed: its task does not wait
                waiting.get_loop().call_soon_threadsafe(_finish, waiting)

    def clear(self) -> None:
        """Unset it; call it before reading, so that a commit during the read counts."""
        self._event.clear()

    def wait(self, timeout: float) -> None:
        """Wait until it is set, at most ``timeout`` seconds."""
        self._event.wait(timeout)

    async def wait_async(self, timeout: float) -> None:  # noqa: ASYNC109 - as wait()
        """Do what :meth:`wait` does without blocking the event loop."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._event.is_set():
                return
            self._waiting = future
        await asyncio.wait([future], timeout=timeout)


def _may_block(_method: str, _twin: str) -> None:
    """Let any thread block."""


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


CallOffLoop = Callable[..., Awaitable[Any]]
"""Calls a blocking function with its arguments on a thread that runs no event loop."""


class LogFollower(Protocol):
    """A reader of the log that waits for new events."""

    def _on_commit(self) -> None:
        """Note that events may have been committed; quick, never raises."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class LogFollowers:
    """The readers that follow one open store, notified of each commit; for any thread.

    They are held by weak references: a reader that is dropped in the middle of a loop disappears
    without a lock, on whatever thread collects garbage.
    """

    def __init__(
        self,
        store: EventStore,
        check_may_block: Callable[[str, str], None] | None = None,
        off_loop: CallOffLoop = asyncio.to_thread,
    ) -> None:
        """Start without a follower of ``store``.

        ``check_may_block`` gets the name of a blocking method and of its async twin, and raises on
        a thread that must not block; ``off_loop`` runs the blocking part of the twins.
        """
        self.store = store
        self.check_may_block = check_may_block or _may_block
        self.off_loop = off_loop
        self._lock = threading.Lock()
        self._all: tuple[weakref.ref[LogFollower], ...] = ()
        self._unsubscribe: list[Callable[[], None]] = []
        watch(self)

    def _forked(self, _parent: int) -> None:
        """Start again in a forked child, without followers and with a new lock."""
        self._lock = threading.Lock()
        self._all = ()
        self._unsubscribe = []

    def add(self, follower: LogFollower) -> None:
        """Notify ``follower`` from now on."""
        with self._lock:
            self._keep((*self._all, weakref.ref(follower)))

    def remove(self, follower: LogFollower) -> None:
        """Stop notifying ``follower``."""
        with self._lock:
            self._keep(tuple(one for one in self._all if one() is not follower))

    def notify(self, *_: object) -> None:
        """Notify all followers: this process or another has committed events."""
        for one in self._all:
            follower = one()
            if follower is not None:
                follower._on_commit()

    def close(self) -> None:
        """Close all followers."""
        for one in self._all:
            follower = one()
            if follower is not None:
                follower.close()

    def _keep(self, followers: tuple[weakref.ref[LogFollower], ...]) -> None:
        self._all = tuple(one for one in followers if one() is not None)
        if self._all and not self._unsubscribe:
            self._unsubscribe.append(self.store.subscribe(self.notify))
            on_remote = getattr(self.store, "on_remote", None)  # only PostgreSQL gives hints
            if on_remote is not None:
                self._unsubscribe.append(on_remote(self.notify))
        elif self._unsubscribe and not self._all:
            for unsubscribe in self._unsubscribe:
                unsubscribe()
            self._unsubscribe.clear()
