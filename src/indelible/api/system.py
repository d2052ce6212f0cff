"""The actor system: one event store, the actors that append to it, the views over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from indelible.actors.decider import Decider, R, S, takes_context, takes_snapshots
from indelible.actors.effects.calls.host_functions import CallFunctions, performers_of
from indelible.actors.step_types.functions import step as mark_step
from indelible.actors.workflow.definition.plan import Plan
from indelible.api.actor_handle import ActorHandle
from indelible.api.agent import WorkflowAgent
from indelible.api.context_blocks import ContextBlocks
from indelible.api.run_handle import RunHandle
from indelible.api.service_methods import ServiceMethods
from indelible.api.subscriptions import Subscriptions
from indelible.api.verification import Verifying
from indelible.api.views import ViewMethods
from indelible.arguments.blocking_calls import BlockingCalls
from indelible.arguments.ids_and_timeouts import check_categories, check_id
from indelible.arguments.system_arguments import (
    address_of,
    check_lease,
    check_threads,
    instances,
    seconds_of,
)
from indelible.assembly.async_calls import in_thread
from indelible.assembly.lifecycle import begin, shut_down
from indelible.assembly.step_registry import StepRegistry
from indelible.assembly.system_access import SystemAccess
from indelible.assembly.thread_runtime import Runtime, ThreadRuntime
from indelible.clock import Clock, SystemClock
from indelible.effect_handlers.alerts import Handler, handlers_of
from indelible.effect_handlers.known_definitions import Definition, Definitions
from indelible.errors import RefusedError, UnknownRunError
from indelible.events.addresses import Mode, check_mode
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.ids import Ids

if TYPE_CHECKING:
    import sqlalchemy as sa

    from indelible.actors.step_types.base import StepType
    from indelible.projections.views.custom import Projection

F = TypeVar("F", bound=Callable[..., Any])

DRAIN = 10.0
"""Seconds that closing waits for running steps: as long as orchestrators wait before a kill."""


class ActorSystem(ServiceMethods, ContextBlocks, Subscriptions, ViewMethods, Verifying):
    """Event-sourced actors and durable workflows over one store.

    Creating a system does no I/O and starts no thread.  Opening it migrates the store, takes
    ownership of it and resumes the runs that a crash interrupted.  Any thread may use an open
    system, and one process may have several systems.

    Attributes:
        url: Address of the store.
        clock: The system's source of time.
        ids: The system's source of ids.
    """

    def __init__(
        self,
        url: str | os.PathLike[str] | EventStore = "sqlite:///indelible.db",
        *,
        steps: Iterable[Callable[..., Any]] = (),
        connections: Mapping[str, str | sa.Engine] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        actors: Iterable[Decider[Any]] = (),
        calls: Mapping[str, Callable[..., Any]] | None = None,
        effects: Mapping[type, Callable[..., Any]] | None = None,
        definitions: Mapping[str, Definition] | None = None,
        alerts: Iterable[Handler] = (),
        projections: Iterable[Projection] = (),
        mode: Mode = "own",
        drain: float = DRAIN,
        lease: float | None = None,
        max_threads: int = 64,
        clock: Clock | None = None,
        ids: Ids | None = None,
        failpoints: Failpoints | None = None,
        runtime: Callable[[], Runtime] | None = None,
    ) -> None:
        """Describe the system.

        Args:
            url: ``sqlite:///FILE`` or the file's path, a PostgreSQL address, ``memory://`` for a
                store that ends with the process, or your own EventStore, which the system opens and
                closes.
            steps: Functions marked by :func:`indelible.step`.
            connections: Databases for steps, by name: URLs or SQLAlchemy engines.
            functions: Functions of one row, by name, for the ``map`` operation.
            actors: Deciders of your own event-sourced actors.
            calls: Functions, sync or async, for the ``Call`` effects of these actors, by name: they
                take an argument, or a context and an argument.
            effects: Handlers, sync or async, of effects of your own types, by type: they take an
                effect, or a context and an effect.
            definitions: Workflows that ``StartRun`` effects of your actors may name.
            alerts: Functions that receive your actors' ``Alert`` effects.
            projections: Your own views; their tables are created in the store's database.
            mode: ``own``; ``read``, which never creates, migrates, owns or resumes; or ``client``,
                which reads and sends commands to the process that owns the store.
            drain: Seconds that closing waits for running steps; infinity waits for all of them.
            lease: On PostgreSQL, seconds after which other processes take over the work of this
                process if it dies; 10 by default.  Other stores do not use it.
            max_threads: Number of blocking steps that may run at once.
            clock: Tests replace it.
            ids: Tests replace it.
            failpoints: Tests arm them.
            runtime: Creates the threads; tests replace it with a simulation.

        Raises:
            UnknownModeError: ``mode`` is none of the three.
            TypeError, ValueError: Another argument is not valid; the message says which.
        """
        # imports SQLAlchemy, which importing this class avoids
        from indelible.projections.views.custom import Projection, check_projections

        check_mode(mode)
        check_threads(max_threads)
        self.url = address_of(url)
        self._own_store = None if isinstance(url, str | os.PathLike) else url
        if lease is not None:
            check_lease(lease)
            if self._own_store is not None:
                raise ValueError(f"lease={lease!r}: give it to your own store")
        self.clock = clock or SystemClock()
        self.ids = ids or Ids(self.clock)
        self._drain = seconds_of("drain", drain)
        self._lease = lease
        self._failpoints = failpoints or Failpoints()
        self._deciders = instances("actors", actors, Decider)
        check_categories(decider.category for decider in self._deciders)
        self._calls = CallFunctions(calls or {})
        self._effects = performers_of(effects or {})
        self._alerts = handlers_of(alerts)
        self._projections = instances("projections", projections, Projection)
        check_projections(self._projections)
        for decider in self._deciders:
            takes_snapshots(decider)  # refuses a decider with only one of snapshot and restore
            takes_context(decider)  # refuses a decide() with another number of parameters
        self._steps = StepRegistry(dict(connections or {}), dict(functions or {}), self.url)
        self._access = SystemAccess(
            self.url, mode, clock=self.clock, ids=self.ids, step_types=self._steps.types
        )
        self._definitions = Definitions(definitions or {}, self._access.compile)
        self._runtime = runtime or (lambda: ThreadRuntime("indelible", self.clock, max_threads))
        for function in steps:
            self._steps.register(function)

    # -- opening and closing

    def open(self) -> Self:
        """Open the store and resume unfinished runs; does nothing if the system is open.

        Raises:
            StoreOwnedError: Another process owns the store, or it is open in this one already.
            StoreNotFoundError, StoreLinkedError, StoreCorruptError, SchemaVersionError,
            StoreReadOnlyError, StoreUnavailableError: The store cannot be opened; nothing has
                changed.
            ThreadUnavailableError: The host gives too few threads; the system is closed again, and
                other processes can own the store.
            ForkedError: This process was forked from the one that opened it.
        """
        access = self._access
        access.check_process("open()")
        with access.lock:
            if access.opened is None:
                BlockingCalls().check("open", "open_async")
                self._begin(self._open_store())
        return self

    def _begin(self, store: EventStore) -> None:
        from indelible.assembly.system_parts import (
            SystemParts,  # here, because its imports are only needed by a system that is opened
        )

        access = self._access
        try:
            access.opened = parts = SystemParts(
                store=store,
                runtime=self._runtime(),
                deciders=self._deciders,
                projections=self._projections,
                step_types=self._steps.types,
                plans=access.plans,
                calls=self._calls,
                custom_handlers=self._effects,
                definitions=self._definitions,
                alert_handlers=self._alerts,
                clock=self.clock,
                ids=self.ids,
                failpoints=self._failpoints,
                drain=self._drain,
                lease=self._lease,
                owns=self.owns,
            )
            parts.start()
            if self.owns:
                begin(parts)  # from here on steps run, and may use the system
        except BaseException:
            made, access.opened = access.opened, None
            if made is None:
                store.close()  # otherwise no process could own it
            else:
                shut_down(made, 0.0)
            raise

    def _open_store(self) -> EventStore:
        if self._own_store is not None:
            self._own_store.open()
            return self._own_store
        return open_store(
            self.url,
            mode=self._access.mode,
            clock=self.clock,
            failpoints=self._failpoints,
            lease=self._lease,
        )

    def close(self) -> None:
        """Stop starting steps, wait for running ones, close; other runs resume at the next open.

        May be called twice.  Steps that do not return within the drain time continue on daemon
        threads; their attempts count as interrupted.

        Raises:
            BlockingCallError: Called on the system's event loop; the system stays open.
            ForkedError: Called in a forked child; the parent's system is not affected.
        """
        access = self._access
        access.check_process("close()")
        parts = access.opened
        if parts is not None:
            parts.runtime.check_may_block("close", "close_async")
        with access.lock:  # to the end, so that no thread opens the system before it is closed
            parts, access.opened = access.opened, None
            if parts is not None:
                shut_down(parts, self._drain)
                self._steps.dispose()

    def __enter__(self) -> Self:
        """Open."""
        return self.open()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close, except in a forked child: the system belongs to the parent."""
        if not self._access.parent:
            self.close()

    async def open_async(self) -> Self:
        """Do what :meth:`open` does without blocking the event loop."""
        self._access.check_process("open_async()")
        return await in_thread(self.open)

    async def close_async(self) -> None:
        """Do what :meth:`close` does without blocking the event loop."""
        self._access.check_process("close_async()")
        await in_thread(self.close)

    async def __aenter__(self) -> Self:
        """Open."""
        return await self.open_async()

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close, except in a forked child."""
        if not self._access.parent:
            await self.close_async()

    # -- steps

    def step(self, name: str) -> Callable[[F], F]:
        """Register the decorated function, sync or async, as step type ``name``."""

        def register(function: F) -> F:
            self.register_step(name, mark_step(name)(function))
            return function

        return register

    def register_step(self, name: str, function: Callable[..., Any] | StepType) -> None:
        """Register a step type; runs that wait for it continue at once.

        Raises:
            ValueError: The name is taken, reserved or not valid.
            TypeError: The function cannot be a step.
        """
        self._access.check_process("register_step()")
        self._steps.register(function, name)

    def register_function(self, name: str, function: Callable[[Any], Any]) -> None:
        """Register a function of one row for the operation ``map`` of ``data_processing``."""
        self._access.check_process("register_function()")
        self._steps.functions[name] = function
        opened = self._access.opened
        if opened is not None:
            opened.executor.retry_waiting_steps()

    # -- agents, runs, actors

    def workflow_agent(self, name: str) -> WorkflowAgent:
        """The workflow agent ``name``; no I/O.

        Raises:
            RefusedError: Not a name of 1 to 200 printable characters.
        """
        self._access.check_process("workflow_agent()")
        check_id("agent name", name)
        return WorkflowAgent(self._access, name)

    def run(self, run_id: str) -> RunHandle:
        """A handle to an existing run.

        Raises:
            UnknownRunError: There is no run with this id.
        """
        access = self._access
        access.check_may_block("run", "run_async")
        check_id("run id", run_id)
        if not access.has_run(run_id):
            raise UnknownRunError(run_id, access.store.url)
        return RunHandle(access, run_id)

    async def run_async(self, run_id: str) -> RunHandle:
        """Do what :meth:`run` does without blocking the event loop."""
        return await self._access.parts.async_calls.call(self.run, run_id)

    @overload
    def actor(self, category: str, id: str) -> ActorHandle: ...
    @overload
    def actor(
        self,
        category: type[Decider[S, R]] | Decider[S, R],
        id: str,
    ) -> ActorHandle[S, R]: ...

    def actor(
        self,
        category: str | type[Decider[Any]] | Decider[Any],
        id: str,  # noqa: A002 - the word of the field
    ) -> ActorHandle[Any, Any]:
        """A handle to one of your own actors, which need not have events yet; no I/O.

        Args:
            category: Name of the category; or the decider that the system was given, or its class,
                from which the handle gets the types of states and replies.
            id: Id of the actor within the category.

        Raises:
            RefusedError: ``id`` is not text of 1 to 200 printable characters, or the system was
                given no such decider.
        """
        self._access.check_process("actor()")
        check_id("actor id", id)
        for decider in self._deciders:
            if _matches(decider, category):
                return ActorHandle(self._access, f"{decider.category}-{id}")
        known = sorted(decider.category for decider in self._deciders)
        there_are = f"there are {', '.join(known)}" if known else "there is none"
        raise RefusedError(
            f"no actor category {category!r:.80}; {there_are}: give its decider to the system, "
            "as actors=[...]"
        )

    # -- definitions

    def compile(self, definition: Definition) -> Plan:
        """The plan of ``definition``, checked against the registered step types."""
        return self._access.compile(definition)


def _matches(decider: Decider[Any], wanted: str | type[Decider[Any]] | Decider[Any]) -> bool:
    """Whether ``wanted`` is the category of ``decider``, its class, or ``decider`` itself."""
    if isinstance(wanted, type):
        return type(decider) is wanted and decider.category == wanted.category
    return wanted in (decider.category, decider)
