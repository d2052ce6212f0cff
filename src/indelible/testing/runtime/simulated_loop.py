"""The simulated event loop: coroutines are tasks of the simulation, in simulated time.

Callbacks of the loop keep their order, as asyncio promises.  A coroutine that sleeps waits for a
timer of the simulation.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any

from indelible.actors.runtime.event_loop import LoopCall, OnDone
from indelible.actors.runtime.timers import Timer
from indelible.clock import ManualClock
from indelible.testing.runtime.simulation import SimulatedPart, Simulation

logger = logging.getLogger(__name__)


class SimulatedLoop(SimulatedPart):
    """Runs coroutines as tasks of its simulation; see the module."""

    def __init__(self, simulation: Simulation) -> None:
        """Run nothing yet."""
        super().__init__(simulation)
        self._live: dict[LoopCall, None] = {}  # a set would not keep the order
        self._loop = _VirtualLoop(self, simulation)  # type: ignore[abstract]  # see the class

    def enqueue(self, function: Callable[[], Awaitable[Any]], on_done: OnDone) -> LoopCall:
        """Queue a coroutine, as :class:`~indelible.actors.runtime.event_loop.LoopThread` does."""
        call = LoopCall(function, on_done)
        if not self._closed:
            self._loop.call_soon(self._begin, call)
        return call

    def kick(self) -> None:
        """Do nothing: queued coroutines are ready."""

    def cancel(self, call: LoopCall) -> None:
        """Cancel ``call``, whether or not it has begun."""
        call.cancelled = True
        if call.task is not None and call.begun:
            call.task.cancel()

    def is_loop_thread(self) -> bool:
        """Whether a callback of the loop is running."""
        return self._loop.is_running()

    def close(self, timeout: float = 10.0) -> tuple[LoopCall, ...]:  # noqa: ARG002 - the port's
        """Drop calls that have not begun, cancel those that have, and run these to their end.

        Returns:
            The calls that ignore the cancellation.
        """
        self._closed = True
        for call in list(self._live):
            self.cancel(call)
        self._loop.run_ready()
        return tuple(self._live)

    def crash(self) -> None:
        """End all calls as a killed process would: no ``on_done`` is called any more."""
        for call in self._live:
            call.on_done = _ignore_result
        self.close()

    def _begin(self, call: LoopCall) -> None:
        if self._closed:
            return
        self._live[call] = None
        call.task = self._loop.create_task(call.run(), context=Context())
        call.task.add_done_callback(lambda _: self._live.pop(call))


def _ignore_result(result: Any, error: BaseException | None) -> None:
    del result, error


class _VirtualLoop(asyncio.AbstractEventLoop):
    """The part of an event loop that tasks, futures, sleeps and time-outs need; no sockets."""

    def __init__(self, part: SimulatedLoop, simulation: Simulation) -> None:
        self._part = part
        self._simulation = simulation
        self._handles: deque[asyncio.Handle] = deque()
        self._timers: dict[asyncio.TimerHandle, Timer] = {}
        self._running = False
        self._sleeps = 0

    def run_ready(self) -> None:
        """Run ready callbacks on this thread until none is left."""
        while self._handles:
            self._run_next()

    def time(self) -> float:
        return self._simulation.clock.monotonic() / 1e9

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # the signature differs between versions
        self, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **options)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there is one thread

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        clock: ManualClock = self._simulation.clock
        due = clock.now() + max(0, round((when - self.time()) * 1e6))
        self._sleeps += 1
        self._timers[handle] = self._simulation.timers.at(
            due, f"~{self._sleeps:012}", lambda: self._expire(handle)
        )
        return handle

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        del executor  # there is one thread
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the future gets it
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        logger.error("%s", context.get("message"), exc_info=context.get("exception"))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        timer = self._timers.pop(handle, None)
        if timer is not None:
            self._simulation.timers.cancel(timer)

    def _expire(self, handle: asyncio.TimerHandle) -> None:
        del self._timers[handle]
        self._ready(handle)

    def _ready(self, handle: asyncio.Handle) -> None:
        self._handles.append(handle)
        self._simulation.add(self._part, self._run_next)

    def _run_next(self) -> None:
        if not self._handles:  # the loop was closed meanwhile
            return
        handle = self._handles.popleft()
        if handle.cancelled():
            return
        self._running = True
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(None)
            self._running = False
