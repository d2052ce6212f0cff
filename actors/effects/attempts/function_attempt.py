"""Calling a function once, for an attempt: on a thread of the pool, or on the event loop."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor


class FunctionAttempt:
    """The part that all attempts have in common; the others say what is called and what to tell.

    Attributes:
        task: The identity of the asyncio task that runs it; 0 if none does.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        attempts: Any  # the table that it stands in: each kind has its own
        actor: DurableActor
        context: Any
        begun: bool
        task: int
        timeout: float | None

        @property
        def name(self) -> str:
            """What people call it."""
            ...

    def __str__(self) -> str:
        """Its name."""
        return self.name

    @property
    def waits_as(self) -> object:
        """What cannot come while this waits: nothing that others would know."""
        return self

    @property
    def may_last(self) -> bool:
        """Whether no time-out gives it up."""
        return self.timeout is None

    def prepare(self) -> Any:
        """Make what the function gets."""
        raise NotImplementedError

    def call(self, context: Any) -> Any:
        """Call the function, in a ``contextvars`` context of its own."""
        raise NotImplementedError

    def message(self, value: Any, error: BaseException | None, took: int, cpu: int) -> Any:
        """What to tell the actor; times in ns.  Never raises, whatever the value or error does."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        """Whether its function is being called, and somebody waits for it."""
        return self.begun and not self.cancelled

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.context is not None and bool(self.context.cancelled)

    def cancel(self) -> None:
        """Say to the function that nobody waits for it any more."""
        if self.context is not None:
            self.context.cancelled = True

    def __call__(self) -> None:
        """Call a blocking function on this thread and deliver its result from here."""
        attempts = self.attempts
        monotonic, meter = attempts.clock.monotonic, attempts.meters.mine
        context = self.prepare()
        if not attempts.begins(self):
            return
        started = monotonic()
        cpu = meter.begin(started)
        error: BaseException | None = None
        value: Any = None
        own = Context()  # nothing of what other attempts on this thread have set
        try:
            value = own.run(self.call, context)
        except BaseException as raised:  # noqa: BLE001 - SystemExit in it is its failure
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
