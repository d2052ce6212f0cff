"""Waiting for something that other threads announce: on a thread, or on an event loop."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from indelible.events.store import EventStore
from indelible.forks import watch


class Wake:
    """Rung by any thread, heard by one that waits; a ring before the wait is not lost."""

    __slots__ = ("_lock", "_rung", "_waiting")

    def __init__(self) -> None:
        """Not rung yet."""
        self._rung = threading.Event()
        self._lock = threading.Lock()
        self._waiting: asyncio.Future[None] | None = None

    def ring(self, *_: object) -> None:
        """Wake who waits, or who waits next; quick, never raises, takes any arguments."""
        if self._rung.is_set():
            return
        with self._lock:
            self._rung.set()
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            with suppress(RuntimeError):  # its event loop is closed: nobody waits any more
                waiting.get_loop().call_soon_threadsafe(_finish, waiting)

    def clear(self) -> None:
        """Forget rings; to be called before looking, so that a ring while looking counts."""
        self._rung.clear()

    def wait(self, timeout: float) -> None:
        """Wait for a ring, at most ``timeout`` seconds."""
        self._rung.wait(timeout)

    async def wait_async(self, timeout: float) -> None:  # noqa: ASYNC109 - as wait()
        """Do what :meth:`wait` does without blocking the event loop."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._rung.is_set():
                return
            self._waiting = future
        await asyncio.wait([future], timeout=timeout)


def _may_block(_method: str, _twin: str) -> None:
    """Any thread may."""


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


CallOffLoop = Callable[..., Awaitable[Any]]
"""Makes a blocking call, given with its arguments, on another thread than an event loop's."""


class LogFollower(Protocol):
    """Somebody who reads a log as it grows."""

    def _hear(self) -> None:
        """Learn that something was committed; quick, never raises."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class LogFollowers:
    """Those who follow one open store, told of each commit; any thread may call any method.

    They are held weakly: one that is left in the middle of a loop goes without a word, from
    whatever thread collects garbage, and takes no lock.
    """

    def __init__(
        self,
        store: EventStore,
        check_may_block: Callable[[str, str], None] | None = None,
        off_loop: CallOffLoop = asyncio.to_thread,
    ) -> None:
        """Nobody follows ``store`` yet.

        ``check_may_block`` gets the name of a call that is about to block its thread, and of its
        async twin, and raises where the thread must not; ``off_loop`` is for those twins.
        """
        self.store = store
        self.check_may_block = check_may_block or _may_block
        self.off_loop = off_loop
        self._lock = threading.Lock()
        self._all: tuple[weakref.ref[LogFollower], ...] = ()
        self._unsubscribe: list[Callable[[], None]] = []
        watch(self)

    def _forked(self, _parent: int) -> None:
        """In a child: nobody follows the store, and no lock of it is waited for."""
        self._lock = threading.Lock()
        self._all = ()
        self._unsubscribe = []

    def add(self, follower: LogFollower) -> None:
        """Tell ``follower`` from now on."""
        with self._lock:
            self._keep((*self._all, weakref.ref(follower)))

    def remove(self, follower: LogFollower) -> None:
        """Tell ``follower`` no more."""
        with self._lock:
            self._keep(tuple(one for one in self._all if one() is not follower))

    def tell(self, *_: object) -> None:
        """Tell everyone: something was committed, here or elsewhere."""
        for one in self._all:
            follower = one()
            if follower is not None:
                follower._hear()

    def close(self) -> None:
        """Close everyone."""
        for one in self._all:
            follower = one()
            if follower is not None:
                follower.close()

    def _keep(self, followers: tuple[weakref.ref[LogFollower], ...]) -> None:
        self._all = tuple(one for one in followers if one() is not None)
        if self._all and not self._unsubscribe:
            self._unsubscribe.append(self.store.subscribe(self.tell))
            on_remote = getattr(self.store, "on_remote", None)  # a store may have no hints to give
            if on_remote is not None:
                self._unsubscribe.append(on_remote(self.tell))
        elif self._unsubscribe and not self._all:
            for unsubscribe in self._unsubscribe:
                unsubscribe()
            self._unsubscribe.clear()
