"""Calls a function once, for an attempt: on a thread of the pool, or on the event loop."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor


class FunctionAttempt:
    """The common part of all attempts; subclasses define the function and the message.

    Attributes:
        task: The identity of the asyncio task that runs it; 0 if there is none.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        attempts: Any  # the Attempts that lists it: each kind has its own
        actor: DurableActor
        context: Any
        begun: bool
        task: int
        timeout: float | None

        @property
        def name(self) -> str:
            """Name for logs."""
            ...

    def __str__(self) -> str:
        """The name."""
        return self.name

    @property
    def wait_key(self) -> object:
        """The node for it in the graph of waits: here, the attempt itself."""
        return self

    @property
    def has_no_timeout(self) -> bool:
        """Whether it has no time-out."""
        return self.timeout is None

    def prepare(self) -> Any:
        """Make the context for the function."""
        raise NotImplementedError

    def call(self, context: Any) -> Any:
        """Call the function, in a ``contextvars`` context of its own."""
        raise NotImplementedError

    def message(self, value: Any, error: BaseException | None, took: int, cpu: int) -> Any:
        """The message for the actor; times in ns.  Never raises, even if users' code does."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        """Whether its function runs and the attempt was not given up."""
        return self.begun and not self.cancelled

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was given up."""
        return self.context is not None and bool(self.context.cancelled)

    def cancel(self) -> None:
        """Give the attempt up, and tell its function through the context."""
        if self.context is not None:
            self.context.cancelled = True

    def __call__(self) -> None:
        """Call a blocking function and deliver its result, both on this thread."""
        attempts = self.attempts
        monotonic, meter = attempts.clock.monotonic, attempts.meters.current
        context = self.prepare()
        if not attempts.begins(self):
            return
        started = monotonic()
        cpu = meter.begin(started)
        error: BaseException | None = None
        value: Any = None
        own = Context()  # without the variables that other attempts on this thread have set
        try:
            value = own.run(self.call, context)
        except BaseException as raised:  # noqa: BLE001 - SystemExit is a failure of the attempt
            error = raised
        ended = monotonic()
        cpu = meter.used(cpu, started, ended)
        attempts.ended(self, self.message(value, error, ended - started, cpu))

    async def run(self) -> None:
        """Call an asynchronous function on the event loop."""
        attempts = self.attempts
        context = self.prepare()
        self.task = id(asyncio.current_task())  # type: ignore[misc] # a field of the Struct
        if not attempts.begins(self):
            return
        started = attempts.clock.monotonic()
        error: BaseException | None = None
        value: Any = None
        try:
            value = await self.call(context)  # the loop gives each call a context of its own
        except asyncio.CancelledError as raised:
            if attempts.held(self.actor.stream) or context.cancelled:
                attempts.abandoned(self)
                return
            error = raised
        except BaseException as raised:  # noqa: BLE001 - as above
            error = raised
        took = attempts.clock.monotonic() - started
        attempts.ended(self, self.message(value, error, took, 0))
