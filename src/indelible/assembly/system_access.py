"""The internal interface between a system, its handles and the parts of the open system.

It is private: completion of ``system.`` shows only the methods that users may call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pykka

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.step_types.base import StepTypes
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.definition.plan_cache import PlanCache, content_of
from indelible.assembly.current_context import CurrentContext
from indelible.clock import Clock
from indelible.errors import AskTimeoutError, StoreReadOnlyError
from indelible.events.addresses import Mode
from indelible.events.model.event import RecordedEvent
from indelible.events.model.message_context import Context
from indelible.events.read.as_of import AsOf, version_at
from indelible.events.store import EventStore
from indelible.ids import Ids
from indelible.remote.message_check import check_message
from indelible.remote.remote_future import ASK_TIMEOUT, SLACK, RemoteFuture
from indelible.threads import refusals

if TYPE_CHECKING:  # the parts of an open system are imported when it is opened
    from indelible.actors.durable.directory import Directory
    from indelible.actors.workflow.execute.executor import Executor
    from indelible.assembly.work_under_way import WorkUnderWay
    from indelible.remote.inbox_client import InboxClient
    from indelible.runs.run_reader import RunReader

_TRIES = 8
"""Ids tried for each shard of the store: a process with one shard finds no id for it once in 3,000
times, and then another process starts the run."""


class SystemAccess(CurrentContext):
    """Access to the parts of an open system; any thread may use it.

    Attributes:
        mode: How the system uses the store.
        clock: The system's source of time.
        ids: The system's source of ids.
        owns: Whether the system writes the store; otherwise it only reads it.
        can_ask: Whether it may send messages to actors in other processes.
        tell_remotely: Whether all actors are in other processes.
    """

    def __init__(
        self, url: str, mode: Mode, *, clock: Clock, ids: Ids, step_types: StepTypes
    ) -> None:
        """Begin closed."""
        super().__init__(url)
        self.mode: Mode = mode
        self.owns = mode == "own"
        self.can_ask = mode != "read"
        self.tell_remotely = mode == "client"
        self.clock = clock
        self.ids = ids
        self._step_types = step_types
        self.plans = PlanCache()

    @property
    def store(self) -> EventStore:
        """The event store."""
        return self.parts.store

    @property
    def directory(self) -> Directory:
        """The actors in memory.

        Raises:
            StoreReadOnlyError: The system only reads.
        """
        parts = self.opened or self.parts  # the first alone is faster; this runs for every message
        if not self.owns:
            raise StoreReadOnlyError(self.url, f'the system was opened with mode="{self.mode}"')
        return parts.directory

    def has_run(self, run_id: str) -> bool:
        """Whether there is such a run.

        The database is asked only if the run is not in memory and has not ended a moment ago.
        """
        return (self.owns and self._has_run_here(f"run-{run_id}")) or self.reader.exists(run_id)

    def _has_run_here(self, stream: str) -> bool:
        actor = self.directory.live(stream)
        if actor is not None and actor.is_stored:
            return True
        return self.executor.endings.recent(stream) is not None

    @property
    def inbox_client(self) -> InboxClient:
        """The client that sends messages to actors in other processes.

        Raises:
            StoreReadOnlyError: The system only reads.
        """
        parts = self.parts
        if self.mode == "read":
            raise StoreReadOnlyError(self.url, 'the system was opened with mode="read"')
        return parts.inbox_client

    def new_run_id(self) -> str:
        """An id for a new run, in a shard of this process if it owns any.

        Then this process starts the run itself.
        """
        run_id = self.ids.text()
        store = self.parts.store
        if not self.owns or not store.owned():
            return run_id
        owns, tries = self.parts.directory.owns, _TRIES * store.shards
        while not owns(f"run-{run_id}") and tries > 0:  # all shards may be lost meanwhile
            run_id, tries = self.ids.text(), tries - 1
        return run_id

    @property
    def executor(self) -> Executor:
        """The executor of steps."""
        return self.parts.executor

    @property
    def work(self) -> WorkUnderWay:
        """Steps and calls together."""
        return self.parts.work

    @property
    def reader(self) -> RunReader:
        """The reader of runs from the log."""
        return self.parts.reader

    def fold(self, stream: str, as_of: AsOf | None) -> Any:
        """The state of a stream of a user's actor, now or ``as_of`` a moment."""
        return self.parts.fold(stream, as_of)

    def read_stream(self, stream: str, as_of: AsOf | None) -> Sequence[RecordedEvent]:
        """The events of ``stream``, now or ``as_of`` a moment."""
        until = None if as_of is None else version_at(self.store, stream, as_of)
        return list(self.store.read(stream, until=until))

    def compile(self, definition: Mapping[str, Any] | str | Path) -> Plan:
        """The plan of ``definition``, checked against the registered step types."""
        self.check_process("compile()")
        content = content_of(definition)
        plan = self.plans.find(content)
        if plan is None:
            types = None if self.mode == "client" else self._step_types  # the owner checks them
            plan = self.plans.add(compile_definition(definition, types), content)
        return plan

    def check_may_block(self, method: str, twin: str) -> None:
        """Refuse a blocking call on the system's own event loop."""
        self.parts.runtime.check_may_block(method, twin)

    def wait(self, future: PooledFuture[Any], timeout: float | None) -> Any:
        """The result of ``future``; raises ``TimeoutError`` after ``timeout`` seconds."""
        try:
            return self.parts.runtime.wait(future, timeout)
        except pykka.Timeout:
            raise TimeoutError from None

    def check_message(self, stream: str, message: Any) -> None:
        """Refuse a ``message`` that would arrive changed if ``stream`` were of another process.

        Raises:
            ValueNotStorableError: A part would arrive as another type.
        """
        types = self.parts.message_types.get(stream.partition("-")[0], {})
        check_message(message, types)

    def send(
        self,
        stream: str,
        message: Any,
        *,
        timeout: float | None = None,
        presume_new: bool = False,
        message_id: str | None = None,
        context: Context | None = None,
    ) -> PooledFuture[Any]:
        """Send ``message`` to the actor of ``stream``, in any process; with an id by the inbox.

        ``context`` is recorded in the events that the message causes.
        """
        if message_id is None and self.mode != "client":
            return self.directory.ask(
                stream, message, context=context, presume_new=presume_new, timeout=timeout
            )
        timeout = ASK_TIMEOUT if timeout is None else timeout
        return self.inbox_client.ask(stream, message, timeout, message_id, context)

    def ask(
        self,
        stream: str,
        message: Any,
        *,
        timeout: float | None = None,
        presume_new: bool = False,
        message_id: str | None = None,
        context: Context | None = None,
    ) -> Any:
        """Send ``message`` to the actor of ``stream`` and wait for its durable reply."""
        future = self.send(
            stream,
            message,
            timeout=timeout,
            presume_new=presume_new,
            message_id=message_id,
            context=context,
        )
        return self.wait_for_answer(future, stream, timeout)

    def wait_for_answer(
        self, future: PooledFuture[Any], stream: str = "the actor", timeout: float | None = None
    ) -> Any:
        """Return the reply, or raise the error that was the reply, or AskTimeoutError."""
        timeout = ASK_TIMEOUT if timeout is None else timeout
        future.asked_actor = stream  # names deadlocks
        try:
            return self.wait(future, timeout + _slack(future))
        except TimeoutError:
            raise AskTimeoutError(stream, timeout, refusals.names()) from None

    async def ask_async(
        self,
        stream: str,
        message: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as ask()
        presume_new: bool = False,
        message_id: str | None = None,
        context: Context | None = None,
    ) -> Any:
        """Do what :meth:`ask` does without blocking the event loop."""
        future = self.send(
            stream,
            message,
            timeout=timeout,
            presume_new=presume_new,
            message_id=message_id,
            context=context,
        )
        return await self.await_answer(future, stream, timeout)

    async def await_answer(
        self,
        future: PooledFuture[Any],
        stream: str = "the actor",
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> Any:
        """Do what :meth:`wait_for_answer` does without blocking the event loop."""
        timeout = ASK_TIMEOUT if timeout is None else timeout
        try:
            async with asyncio.timeout(timeout + _slack(future)):
                return await future
        except TimeoutError:
            raise AskTimeoutError(stream, timeout, refusals.names()) from None


def _slack(future: PooledFuture[Any]) -> float:
    """Extra seconds for a remote future, whose client completes it soon after the time-out."""
    return SLACK if isinstance(future, RemoteFuture) else 0.0
