"""Blocking calls for the async twins of methods, on the system's own threads.

asyncio's default executor belongs to the user's program: calls that wait must not use it up.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

from indelible.actors.runtime.pool.blocking_pool import BlockingPool
from indelible.errors import SystemClosedError
from indelible.threads import start_now

AT_ONCE = 16
"""Calls at once: each reads the store, which has only a few connections for readers."""

P = ParamSpec("P")
T = TypeVar("T")


class AsyncCalls:
    """A bounded pool for calls that take about as long as a query; for any thread."""

    def __init__(self, *, threaded: bool) -> None:
        """Start no thread yet; without ``threaded`` calls run on the caller's thread."""
        self._threaded = threaded
        self._pool = BlockingPool(AT_ONCE, "indelible-calls", replace_waiters=False)
        self._calls: set[_ThreadCall] = set()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await the result of ``function``, which runs on a thread of the pool.

        Raises:
            SystemClosedError: The system closed before ``function`` began.
        """
        if not self._threaded:
            return function(*args, **kwargs)
        call = _ThreadCall(partial(function, *args, **kwargs), self._calls.discard)
        self._calls.add(call)
        self._pool.submit(call)
        return await call.future  # type: ignore[no-any-return]

    def close(self) -> None:
        """Begin no more calls; those that wait fail with SystemClosedError."""
        self._pool.close(0.0)
        for call in list(self._calls):
            call.drop()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await the result of ``function`` on a new thread: for long and rare calls.

    Raises:
        ThreadUnavailableError: The host gives no thread; ``function`` was not called.
    """
    call = _ThreadCall(partial(function, *args, **kwargs), lambda _: None)
    name = f"indelible-{getattr(function, '__name__', 'call')}"
    start_now(threading.Thread(target=call, name=name, daemon=True))
    return await call.future  # type: ignore[no-any-return]


class _ThreadCall:
    """One call, made on another thread, and the future that an event loop waits for."""

    def __init__(self, function: Callable[[], Any], done: Callable[[_ThreadCall], object]) -> None:
        self._function = function
        self._done = done
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self._loop.create_future()

    def __call__(self) -> None:
        self._done(self)
        if self.future.cancelled():
            return
        try:
            result = self._context.run(self._function)
        except BaseException as error:  # noqa: BLE001 - the future gets it
            self._complete(_fail, error)
        else:
            self._complete(_succeed, result)

    def drop(self) -> None:
        self._done(self)
        self._complete(_fail, SystemClosedError("the call", "the system was closed"))

    def _complete(self, how: Callable[[asyncio.Future[Any], Any], None], outcome: Any) -> None:
        with suppress(RuntimeError):  # the event loop is closed: no task waits any more
            self._loop.call_soon_threadsafe(how, self.future, outcome)


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
