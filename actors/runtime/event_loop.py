"""Runs async steps on one event loop in a thread of its own; nothing that a step raises ends it."""

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
from indelible.threads import wanted

OnDone = Callable[[Any, BaseException | None], None]

logger = logging.getLogger(__name__)


class LoopCall:
    """One coroutine that a loop was asked to run; a handle for :meth:`LoopThread.cancel`."""

    __slots__ = ("begun", "cancelled", "function", "on_done", "task")

    def __init__(self, function: Callable[[], Awaitable[Any]], on_done: OnDone) -> None:
        """``function`` makes the coroutine, on the loop's thread."""
        self.function = function
        self.on_done = on_done
        self.begun = False
        self.cancelled = False
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run to the end and tell, whatever the end is."""
        result: Any = None
        error: BaseException | None = None
        self.begun = True
        try:
            if self.cancelled:
                raise asyncio.CancelledError
            result = await self.function()
        except GeneratorExit:  # the loop is gone: there is nobody to tell
            raise
        except BaseException as raised:  # noqa: BLE001 - SystemExit too is an outcome of a step
            error = raised
        self.tell(result, error)

    def tell(self, result: Any, error: BaseException | None) -> None:
        """Call ``on_done``; what that raises is logged."""
        try:
            self.on_done(result, error)
        except BaseException:
            logger.exception("the receiver of an async result raised")


class LoopThread:
    """An event loop in a daemon thread, started when first needed; call it from any thread."""

    def __init__(self, name: str = "loop") -> None:
        """Start nothing yet."""
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
        """In a child, which may be inside a coroutine: when that waits or ends, so does the child.

        Nothing else of the loop runs there, since all of it goes on in the parent.
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
                ``None`` and what was raised.  Not called for what :meth:`close` finds waiting.
        """
        call = LoopCall(function, on_done)
        self._calls.append(call)
        return call

    def kick(self) -> None:
        """Hand over what is queued, with one wake-up for all; it waits if there is no thread."""
        if self._kicked or not self._calls:
            return
        loop = self._loop or self._start()
        if loop is not None:
            self._kicked = True
            _call(loop, self._take)

    def cancel(self, call: LoopCall) -> None:
        """Cancel ``call``, begun or not; it ends with ``CancelledError`` unless it will not."""
        call.cancelled = True
        loop = self._loop
        if loop is not None and call.task is not None:
            _call(loop, call.task.cancel)

    def is_loop_thread(self) -> bool:
        """Whether the calling thread is the loop's."""
        return threading.current_thread() is self._thread

    def close(self, timeout: float = 10.0) -> tuple[LoopCall, ...]:
        """Cancel everything, wait for it to end and end the thread; not from the loop's thread.

        Returns:
            The calls that have not ended within ``timeout`` seconds; their ``on_done`` may still
            be called if they block the loop, and never is if they ignore being cancelled.
        """
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        wanted.forget(self.kick)
        if loop is None or thread is None:
            return ()
        _call(loop, self._begin_end, loop, timeout)
        thread.join(timeout + 1.0)  # the loop itself gives up after timeout, unless it is blocked
        return tuple(self._live)

    # -- inside

    def _start(self) -> asyncio.AbstractEventLoop | None:
        with self._lock:
            if self._loop is None and not self._closed:
                try:
                    loop = asyncio.new_event_loop()
                except OSError as error:  # no more files: as good as no thread
                    wanted.refused(self.name, error, self.kick)
                    return None
                thread = threading.Thread(
                    target=self._run, args=(loop,), name=self.name, daemon=True
                )
                if not wanted.start(thread, self.kick):
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
                logger.exception("something on the loop %s raised; it goes on", self.name)
            else:
                loop.close()

    def _take(self) -> None:
        self._kicked = False  # first: what is queued from now on brings its own kick
        loop = asyncio.get_running_loop()
        while self._calls and not self._closed:
            call = self._calls.popleft()
            self._live.add(call)
            call.task = loop.create_task(call.run(), context=Context())  # not the caller's
            call.task.add_done_callback(partial(self._forget, call))

    def _forget(self, call: LoopCall, _: asyncio.Task[None]) -> None:
        self._live.discard(call)

    def _begin_end(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._ending = loop.create_task(self._end(timeout))
        self._ending.add_done_callback(lambda _: loop.stop())

    async def _end(self, timeout: float) -> None:  # noqa: ASYNC109 - a grace period, not a time-out
        own = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not own]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)
        await asyncio.get_running_loop().shutdown_asyncgens()


def will_call(loop: asyncio.AbstractEventLoop, mine: Callable[[Context], bool]) -> bool:
    """Whether ``loop`` has a timer, say a time-out, set in a context that is ``mine``.

    Only where the loop shows its timers, as asyncio's own do; any thread may ask.
    """
    timers = list(getattr(loop, "_scheduled", ()))
    return any(not timer.cancelled() and mine(timer._context) for timer in timers)


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: Any) -> None:
    """Have ``loop`` call ``callback`` soon; nothing if it has ended."""
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
