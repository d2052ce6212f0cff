"""Runs async steps on one event loop in its own thread; no exception of a step ends the thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from typing import Any

from indelible.forks import leave_loop, watch
from indelible.threads import refusals

OnDone = Callable[[Any, BaseException | None], None]

logger = logging.getLogger(__name__)


class LoopCall:
    """One queued coroutine of a loop; a handle for :meth:`LoopThread.cancel`."""

    __slots__ = ("begun", "cancelled", "function", "on_done", "task")

    def __init__(self, function: Callable[[], Awaitable[Any]], on_done: OnDone) -> None:
        """``function`` makes the coroutine, on the loop's thread."""
        self.function = function
        self.on_done = on_done
        self.begun = False
        self.cancelled = False
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run the coroutine to its end, and report any outcome."""
        result: Any = None
        error: BaseException | None = None
        self.begun = True
        try:
            if self.cancelled:
                raise asyncio.CancelledError
            result = await self.function()
        except GeneratorExit:  # the loop has ended: no report is possible
            raise
        except BaseException as raised:  # noqa: BLE001 - SystemExit too is an outcome of a step
            error = raised
        self.report(result, error)

    def report(self, result: Any, error: BaseException | None) -> None:
        """Call ``on_done``; its exceptions are logged."""
        try:
            self.on_done(result, error)
        except BaseException:
            logger.exception("the receiver of an async result raised")


class LoopThread:
    """An event loop in a daemon thread, started when first needed; any thread may use it."""

    def __init__(self, name: str = "loop") -> None:
        """Start no thread yet."""
        self.name = name
        self._calls: deque[LoopCall] = deque()
        self._live: set[LoopCall] = set()  # only the loop's thread changes it
        self._kicked = False
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        watch(self)

    def _forked(self, _parent: int) -> None:
        """In a forked child inside a coroutine: end the child when the coroutine waits or ends.

        Other coroutines of the loop do not run in the child: they continue in the parent.
        """
        loop = self._loop
        if loop is None or not self.is_loop_thread():
            return
        getattr(loop, "_ready", deque()).clear()
        loop.call_soon(leave_loop)

    def enqueue(self, function: Callable[[], Awaitable[Any]], on_done: OnDone) -> LoopCall:
        """Queue a coroutine without waking the loop; :meth:`kick` must follow soon.

        Args:
            function: Makes the coroutine (or other awaitable), on the loop's thread.
            on_done: Called once on the loop's thread with the result and ``None``, or with
                ``None`` and the exception.  Not called for coroutines queued at :meth:`close`.
        """
        call = LoopCall(function, on_done)
        self._calls.append(call)
        return call

    def kick(self) -> None:
        """Wake the loop once for all queued coroutines; they stay queued if there is no thread."""
        if self._kicked or not self._calls:
            return
        loop = self._loop or self._start()
        if loop is not None:
            self._kicked = True
            _call(loop, self._start_calls)

    def cancel(self, call: LoopCall) -> None:
        """Cancel ``call``, begun or not; it ends with ``CancelledError`` unless it ignores that."""
        call.cancelled = True
        loop = self._loop
        if loop is not None and call.task is not None:
            _call(loop, call.task.cancel)

    def is_loop_thread(self) -> bool:
        """Whether the calling thread is the loop's."""
        return threading.current_thread() is self._thread

    def close(self, timeout: float = 10.0) -> tuple[LoopCall, ...]:
        """Cancel all calls, wait for them and end the thread; not from the loop's thread.

        Returns:
            The calls that have not ended within ``timeout`` seconds.  Their ``on_done`` may still
            be called if they block the loop; it is not called if they ignore the cancellation.
        """
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        refusals.forget(self.kick)
        if loop is None or thread is None:
            return ()
        _call(loop, self._begin_shutdown, loop, timeout)
        thread.join(timeout + 1.0)  # the loop itself gives up after timeout, unless it is blocked
        return tuple(self._live)

    # -- inside

    def _start(self) -> asyncio.AbstractEventLoop | None:
        with self._lock:
            if self._loop is None and not self._closed:
                try:
                    loop = asyncio.new_event_loop()
                except OSError as error:  # no more file descriptors: the same as no thread
                    refusals.add(self.name, error, self.kick)
                    return None
                thread = threading.Thread(
                    target=self._run, args=(loop,), name=self.name, daemon=True
                )
                if not refusals.start(thread, self.kick):
                    loop.close()
                    return None
                self._loop, self._thread = loop, thread
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while not loop.is_closed():
            try:
                loop.run_forever()
            except BaseException:  # SystemExit in a task that a step has made
                logger.exception("a task on the loop %s raised; the loop continues", self.name)
            else:
                loop.close()

    def _start_calls(self) -> None:
        self._kicked = False  # first: coroutines queued from now on come with their own kick
        loop = asyncio.get_running_loop()
        while self._calls and not self._closed:
            call = self._calls.popleft()
            self._live.add(call)
            call.task = loop.create_task(call.run(), context=Context())  # not the caller's
            call.task.add_done_callback(partial(self._forget, call))

    def _forget(self, call: LoopCall, _: asyncio.Task[None]) -> None:
        self._live.discard(call)

    def _begin_shutdown(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._shutdown = loop.create_task(self._shut_down(timeout))
        self._shutdown.add_done_callback(lambda _: loop.stop())

    async def _shut_down(self, timeout: float) -> None:  # noqa: ASYNC109 - a grace period, not a time-out
        own = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not own]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)
        await asyncio.get_running_loop().shutdown_asyncgens()


def has_timer(loop: asyncio.AbstractEventLoop, matches: Callable[[Context], bool]) -> bool:
    """Whether ``loop`` has a timer, such as a time-out, set in a context that is ``matches``.

    Works only for loops that show their timers, as asyncio's own do; any thread may call.
    """
    timers = list(getattr(loop, "_scheduled", ()))
    return any(not timer.cancelled() and matches(timer._context) for timer in timers)


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: Any) -> None:
    """Let ``loop`` call ``callback`` soon; no effect if the loop has ended."""
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
