"""Futures of answers: a wait for one never starves the pool or an event loop."""

from __future__ import annotations

import asyncio
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pykka import Future, ThreadingFuture, Timeout

from indelible.actors.runtime.pool.workers import Worker
from indelible.threads import RETRY_S, refusals

if TYPE_CHECKING:  # private names of pykka, needed for signatures alone
    from pykka._future import GetHookFunc
    from pykka._types import OptExcInfo

    Outcome = tuple[Any, OptExcInfo | None]  # value, exception

T = TypeVar("T")

logger = logging.getLogger(__name__)


class _Unset:
    """Marks that a hook has not been called."""


class PooledFuture(ThreadingFuture[T]):
    """A pykka future that is cheap to create, can be awaited and has callbacks.

    ``get`` on a thread of the pool lets another thread take its place; ``await`` does not block
    the event loop.  Any thread may call any method.
    """

    asked_actor: object = None  # the actor that will answer, named in deadlock errors
    _get_hook: GetHookFunc[T] | None = None
    _get_hook_result: Any = _Unset
    _sources: tuple[Future[Any], ...] = ()

    def __init__(self) -> None:
        """Start without an answer, and without the condition of pykka, which takes 1 KiB."""
        self._lock = threading.Lock()
        self._outcome: Outcome | None = None
        self._callbacks: list[Callable[[PooledFuture[T]], None]] | None = None

    def done(self) -> bool:
        """Whether :meth:`get` returns or raises at once."""
        if self._get_hook is None:
            return self._outcome is not None
        return self._get_hook_result is not _Unset

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for the answer: return the value, or raise the exception.

        Args:
            timeout: Seconds to wait; unlimited by default.

        Raises:
            pykka.Timeout: There is no answer in time.
            DeadlockError: Too many actors wait already, or the wait closes an endless cycle.
        """
        if self._get_hook is not None:
            return self._call_hook(self._get_hook, timeout)
        outcome = self._outcome or self._wait(timeout)
        if outcome is None:
            raise Timeout(f"{timeout} seconds")
        value, exc_info = outcome
        if exc_info is None:
            return value
        kind, error, traceback = exc_info
        if error is None:
            error = (kind or RuntimeError)()
        if error.__traceback__ is not traceback:
            raise error.with_traceback(traceback)
        raise error

    def set(self, value: Any | None = None) -> None:
        """Make ``value`` the answer; callbacks run on this thread.

        Raises:
            queue.Full: There is an answer or a hook already; nothing has changed.
        """
        self._complete((value, None))

    def set_exception(self, exc_info: OptExcInfo | None = None) -> None:
        """Make an exception the answer, by default the exception being handled.

        Raises:
            queue.Full: There is an answer or a hook already; nothing has changed.
        """
        assert exc_info is None or len(exc_info) == 3
        self._complete((None, exc_info or sys.exc_info()))

    def set_get_hook(self, func: GetHookFunc[T]) -> None:
        """Let :meth:`get` call ``func`` with its time-out, until that has returned once.

        Raises:
            queue.Full: There is an answer already; nothing has changed.
        """
        with self._lock:
            if self._outcome is not None:
                raise queue.Full
            self._hook_lock = threading.RLock()
            self._get_hook = func

    def add_done_callback(self, callback: Callable[[PooledFuture[T]], None]) -> None:
        """Call ``callback`` with this future when it is done, on the thread that completes it.

        It is called at once if the future is done.  It must be quick; its exceptions are logged.

        Raises:
            TypeError: A hook makes the answer, and hooks run only in :meth:`get`.
        """
        if self._get_hook is not None:
            raise TypeError("this future is computed by get(); add the callback to its source")
        with self._lock:
            if self._outcome is None:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(callback)
                return
        self._call(callback)

    def remove_done_callback(self, callback: Callable[[PooledFuture[T]], None]) -> None:
        """Remove ``callback``, if it has not been called yet."""
        with self._lock:
            if self._callbacks is not None and callback in self._callbacks:
                self._callbacks.remove(callback)

    # -- derived futures: as pykka makes them, but they keep their sources

    def filter(self: PooledFuture[Iterable[Any]], func: Callable[[Any], bool]) -> Any:
        """As pykka's."""
        return _derived(Future.filter(cast("Any", self), func), self)

    def join(self, *futures: Future[Any]) -> Any:
        """As pykka's."""
        return _derived(super().join(*futures), self, *futures)

    def map(self, func: Callable[[T], Any]) -> Any:
        """As pykka's."""
        return _derived(super().map(func), self)

    def reduce(self: PooledFuture[Iterable[Any]], func: Callable[..., Any], *args: Any) -> Any:
        """As pykka's."""
        return _derived(Future.reduce(cast("Any", self), func, *args), self)

    # -- awaiting

    def __await__(self) -> Generator[Any, None, T]:
        """Wait without blocking the running asyncio loop; elsewhere as pykka's."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            yield
        else:
            yield from self._wait_on_loop(loop)
        return self.get()  # type: ignore[no-any-return]

    __iter__ = __await__

    def _wait_on_loop(self, loop: asyncio.AbstractEventLoop) -> Generator[Any, None, None]:
        if self.done():
            return
        if self._get_hook is None:
            yield from _await_callback(self, loop)
            return
        sources = [source for source in self._sources if isinstance(source, PooledFuture)]
        if sources and len(sources) == len(self._sources):
            for source in sources:
                yield from source._wait_on_loop(loop)
        else:  # an unknown hook: it may block, so it runs on a thread
            yield from loop.run_in_executor(None, self._run_hook)

    def _run_hook(self) -> None:
        try:
            self.get()
        except Exception:  # noqa: BLE001 - get() on the loop's thread raises it to the caller
            return

    # -- inside

    def _complete(self, outcome: Outcome) -> None:
        with self._lock:
            if self._outcome is not None or self._get_hook is not None:
                raise queue.Full
            self._outcome = outcome
            callbacks, self._callbacks = self._callbacks, None
        self.asked_actor = None
        for callback in callbacks or ():
            self._call(callback)

    def _call(self, callback: Callable[[PooledFuture[T]], None]) -> None:
        try:
            callback(self)
        except Exception:
            logger.exception("a callback of a future raised")

    def _wait(self, timeout: float | None) -> Outcome | None:
        if timeout is not None and timeout <= 0:
            return None
        ready = threading.Lock()
        ready.acquire()

        def release(_: PooledFuture[T]) -> None:
            ready.release()

        with let_others_run(self.asked_actor, forever=timeout is None):
            self.add_done_callback(release)
            if acquire(ready, timeout):
                return self._outcome
        self.remove_done_callback(release)
        return self._outcome

    def _call_hook(self, hook: GetHookFunc[T], timeout: float | None) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._hook_lock.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            raise Timeout(f"{timeout} seconds")
        try:
            if self._get_hook_result is _Unset:
                left = None if deadline is None else max(0, deadline - time.monotonic())
                self._get_hook_result = hook(left)
            return self._get_hook_result
        finally:
            self._hook_lock.release()


def let_others_run(on: object, *, forever: bool) -> AbstractContextManager[None]:
    """Surround a wait for ``on``: on a pool thread, another thread works meanwhile."""
    thread = threading.current_thread()
    if isinstance(thread, Worker):
        return thread.workers.blocking(on, forever=forever)
    return nullcontext()


def acquire(lock: threading.Lock, timeout: float | None) -> bool:
    """Acquire ``lock`` within ``timeout`` seconds.

    While the host refuses new threads, this thread retries to start them: no other thread may run.
    """
    left = timeout
    while refusals and (left is None or left > RETRY_S):
        if lock.acquire(timeout=RETRY_S):
            return True
        left = None if left is None else left - RETRY_S
        refusals.try_again()
    return lock.acquire(timeout=-1 if left is None else left)


def _derived(future: Any, *sources: Future[Any]) -> Any:
    future._sources = sources
    return future


def _await_callback(
    future: PooledFuture[Any], loop: asyncio.AbstractEventLoop
) -> Generator[Any, None, None]:
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def notify(_: PooledFuture[Any]) -> None:
        try:
            loop.call_soon_threadsafe(wake)
        except RuntimeError:  # the loop was closed meanwhile, with the task that awaited
            return

    future.add_done_callback(notify)
    try:
        yield from waiter
    finally:
        future.remove_done_callback(notify)
