"""The system: one log, the actors that write it, the views that read it; nothing global."""

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
from indelible.api.arguments.blocking_calls import BlockingCalls
from indelible.api.arguments.ids_and_timeouts import check_categories, check_id
from indelible.api.arguments.system_arguments import (
    address_of,
    check_lease,
    check_threads,
    instances,
    seconds_of,
)
from indelible.api.caller_scope import CallerScope
from indelible.api.run_handle import RunHandle
from indelible.api.service_methods import ServiceMethods
from indelible.api.subscriptions import Subscriptions
from indelible.api.verification import Verifying
from indelible.api.views import ViewMethods
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
"""Seconds that closing waits for running steps: what orchestrators grant before they kill."""


class ActorSystem(ServiceMethods, CallerScope, Subscriptions, ViewMethods, Verifying):
    """Event-sourced actors and durable workflows over one store.

    Making one does no I/O and starts no thread; opening it migrates the store, takes ownership of
    it and resumes whatever a crash cut off.  Any thread may use an open system, and several
    systems live in one process.

    Attributes:
        url: Address of the store.
        clock: Where the system's time comes from.
        ids: Where its ids come from.
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
                store that ends with the process, or a store of your own, which the system opens
                and closes.
            steps: Functions marked by :func:`indelible.step`.
            connections: Databases that steps may use, by name: URLs or SQLAlchemy engines.
            functions: Functions of one row, by name, for the ``map`` operation.
            actors: Deciders of your own event-sourced actors.
            calls: Functions, sync or async, that these may call, by name: they take an argument,
                or a context and an argument.
            effects: Handlers, sync or async, of effects of your own types, by type: they take an
                effect, or a context and an effect.
            definitions: Workflows that your actors may start runs of by name, see ``StartRun``.
            alerts: Functions that are told of your actors' alerts, see ``Alert``.
            projections: Your own views; their tables are made in the store's database.
            mode: ``own``; ``read``, which never creates, migrates, owns or resumes; or
                ``client``, which reads, and has the process that owns the store do the rest.
            drain: Seconds that closing waits for running steps; infinity waits for them all.
            lease: On PostgreSQL, seconds after which others go on with the work of this process
                if it dies; 10 by default.  Elsewhere nobody waits for that.
            max_threads: Blocking steps that run at once.
            clock: Replaced in tests.
            ids: Replaced in tests.
            failpoints: Armed in tests.
            runtime: Makes the threads; replaced by a simulation in tests.

        Raises:
            UnknownModeError: ``mode`` is none of the three.
            TypeError, ValueError: Something else that cannot work; the message says what.
        """
        # with SQLAlchemy, which importing this class spares
        from indelible.projections.views.custom import Projection, check_projections

        check_mode(mode)
        check_threads(max_threads)
        self.url = address_of(url)
        self._given = None if isinstance(url, str | os.PathLike) else url
        if lease is not None:
            check_lease(lease)
            if self._given is not None:
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
            takes_snapshots(decider)  # refuses half of it
            takes_context(decider)  # refuses what takes neither
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
        """Open the store and resume what is unfinished; an open system stays as it is.

        Raises:
            StoreOwnedError: Another process owns the store, or it is open in this one already.
            StoreNotFoundError, StoreLinkedError, StoreCorruptError, SchemaVersionError,
            StoreReadOnlyError, StoreUnavailableError: What is wrong with it; nothing has changed.
            ThreadUnavailableError: The host gives too few threads; nothing runs, and the store is
                free for others.
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
            SystemParts,  # much that nobody needs who opens nothing
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
                own=self._effects,
                definitions=self._definitions,
                told_of_alerts=self._alerts,
                clock=self.clock,
                ids=self.ids,
                failpoints=self._failpoints,
                drain=self._drain,
                lease=self._lease,
                owns=self.owns,
            )
            parts.start()
            if self.owns:
                begin(parts)  # from here on steps run, which may use the system
        except BaseException:
            made, access.opened = access.opened, None
            if made is None:
                store.close()  # or nobody else could own it
            else:
                shut_down(made, 0.0)
            raise

    def _open_store(self) -> EventStore:
        if self._given is not None:
            self._given.open()
            return self._given
        return open_store(
            self.url,
            mode=self._access.mode,
            clock=self.clock,
            failpoints=self._failpoints,
            lease=self._lease,
        )

    def close(self) -> None:
        """Start nothing more, wait for running steps, stop; the rest resumes at the next open.

        May be called twice.  Steps that do not return within the drain time are left behind on
        daemon threads; their attempts count as cut off.

        Raises:
            BlockingCallError: Called on the system's event loop; it stays open.
            ForkedError: Called in a forked child; the system of its parent is as it was.
        """
        access = self._access
        access.check_process("close()")
        parts = access.opened
        if parts is not None:
            parts.runtime.check_may_block("close", "close_async")
        with access.lock:  # to the end, so that nobody opens the store before it is closed
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
        """Close, unless a forked child leaves the block: the system is its parent's."""
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
        """Close, as above."""
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
        """Register a step type; runs that wait for it go on at once.

        Raises:
            ValueError: The name is taken, reserved or none.
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
            opened.executor.look_again()

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
        """A handle of an existing run.

        Raises:
            UnknownRunError: There is none with this id.
        """
        access = self._access
        access.check_may_block("run", "run_async")
        check_id("run id", run_id)
        if not access.reader.exists(run_id):
            raise UnknownRunError(run_id, access.store.url)
        return RunHandle(access, run_id)

    async def run_async(self, run_id: str) -> RunHandle:
        """Do what :meth:`run` does without blocking the event loop."""
        return await self._access.parts.off_loop.call(self.run, run_id)

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
        """A handle of one of your own actors, whether or not it has events yet; no I/O.

        Args:
            category: Its name, or the decider that the system was given, or the class of that:
                from it the handle has the types of states and replies.
            id: Which of the category's actors.

        Raises:
            RefusedError: ``id`` is not text of 1 to 200 printable characters, or the system was
                given no such decider.
        """
        self._access.check_process("actor()")
        check_id("actor id", id)
        for decider in self._deciders:
            if _is(decider, category):
                return ActorHandle(self._access, f"{decider.category}-{id}")
        known = sorted(decider.category for decider in self._deciders)
        there_are = f"there are {', '.join(known)}" if known else "there is none"
        raise RefusedError(
            f"no actor category {category!r:.80}; {there_are}: give its decider to the system, "
            "as actors=[...]"
        )

    # -- definitions

    def compile(self, definition: Definition) -> Plan:
        """The plan of ``definition``, checked against the step types that are registered."""
        return self._access.compile(definition)


def _is(decider: Decider[Any], wanted: str | type[Decider[Any]] | Decider[Any]) -> bool:
    """Whether ``decider`` is the one that is meant by its category, by its class or by itself."""
    if isinstance(wanted, type):
        return type(decider) is wanted and decider.category == wanted.category
    return wanted in (decider.category, decider)
