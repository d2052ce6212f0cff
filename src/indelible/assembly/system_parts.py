"""The parts of one open system, created in the order in which they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from indelible.actors.decider import Decider
from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.actor_host import NO_WORK_TRACKER, ActorHost
from indelible.actors.durable.commit.late_replies import check_reply_key
from indelible.actors.durable.commit.promise_keeping import CallAction
from indelible.actors.durable.directory import Directory
from indelible.actors.durable.recovery.restart_intensity import RestartIntensity
from indelible.actors.durable.recovery.snapshot_policy import Snapshots
from indelible.actors.durable.recovery.snapshot_writer import SnapshotWriter
from indelible.actors.durable.recovery.state_from_log import recover
from indelible.actors.durable.timers.actor_timers import ActorTimers
from indelible.actors.durable.timers.wake_service import PAGE, WakeService
from indelible.actors.effects.calls.call_effects import CallEffects
from indelible.actors.effects.calls.host_functions import CallFunction, CallFunctions
from indelible.actors.effects.custom.custom_effects import CustomEffects
from indelible.actors.effects.effect_port import EffectPort
from indelible.actors.effects.effect_types import (
    Alert,
    Call,
    CancelTimer,
    Reply,
    StartRun,
    Tell,
    TimerAt,
)
from indelible.actors.step_types.base import StepTypes
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.definition.plan_cache import PlanCache
from indelible.actors.workflow.execute.executor import Executor
from indelible.assembly.async_calls import AsyncCalls
from indelible.assembly.passivation_schedule import PassivationSchedule
from indelible.assembly.shard_ownership import ShardOwnership
from indelible.assembly.thread_runtime import Runtime
from indelible.assembly.work_under_way import WorkUnderWay
from indelible.clock import Clock
from indelible.effect_handlers.alerts import KIND, Alerts, Handler
from indelible.effect_handlers.known_definitions import Definitions
from indelible.effect_handlers.run_starter import RunStarter
from indelible.effect_handlers.started_runs import StartedRuns
from indelible.effect_handlers.tell_sender import TellSender
from indelible.events.concurrency.task_thread import TaskThread
from indelible.events.lease.lease_term import LEASE
from indelible.events.model.call_events import EFFECT_EVENTS
from indelible.events.model.event_types import EventTypes
from indelible.events.read.as_of import AsOf, version_at
from indelible.events.snapshots import drop_snapshots
from indelible.events.store import EventStore, StreamHead
from indelible.failpoints import Failpoints
from indelible.ids import Ids
from indelible.projections.engine.runner import ProjectionRunner
from indelible.projections.queries.views_as_of import TimedViews
from indelible.projections.views.custom import CustomView, Projection
from indelible.projections.views.default_views import default_projections
from indelible.readers.log_readers import LogReaders
from indelible.readers.parked_events import ViewDecider
from indelible.remote.command_reader import CommandReader
from indelible.remote.inbox_client import InboxClient
from indelible.remote.inbox_worker import InboxWorker
from indelible.remote.process_commands import ProcessCommands
from indelible.remote.remote_actors import InboxRemoteActors
from indelible.remote.remote_messages import message_types
from indelible.remote.threadless_worker import PoolTaskRunner, ThreadlessWorker
from indelible.runs.remote_run_ends import RemoteRunEnds
from indelible.runs.run_reader import RunReader
from indelible.runs.run_reconciler import RunReconciler
from indelible.service.service_watch import ServiceWatch

_RETRY_STORE_US = 100_000
"""Microseconds until an actor tries an unavailable store again; the store itself probes it."""


class SystemParts:
    """All objects that live from open to close; the store is already open."""

    def __init__(
        self,
        *,
        store: EventStore,
        runtime: Runtime,
        deciders: Sequence[Decider[Any]],
        projections: Sequence[Projection],
        step_types: StepTypes,
        plans: PlanCache,
        calls: CallFunctions,
        custom_handlers: Mapping[type, CallFunction],
        definitions: Definitions,
        alert_handlers: Sequence[Handler],
        clock: Clock,
        ids: Ids,
        failpoints: Failpoints,
        drain: float,
        lease: float | None,
        owns: bool,
    ) -> None:
        """Create and connect the parts; start nothing."""
        self.store = store
        self.runtime = runtime
        self.clock = clock
        run_decider = RunDecider(plans)
        self.types = EventTypes((*run_decider.event_types, *EFFECT_EVENTS))
        view_decider = ViewDecider()
        for decider in (*deciders, view_decider):
            for event_type in decider.event_types:
                self.types.register(event_type)
        known = self.types.classes()
        for event_type in {cls for projection in projections for cls in projection.handles}:
            if event_type not in known:
                self.types.register(event_type)
        self.reader = RunReader(store, self.types, run_decider)
        self.async_calls = AsyncCalls(threaded=runtime.threads)
        self.service = ServiceWatch(store, clock)
        self.remote_run_ends = RemoteRunEnds(
            store, self.reader.state, _nothing if owns else self.service.notice
        )
        self.deciders: dict[str, Decider[Any]] = {d.category: d for d in deciders}
        self.deciders[view_decider.category] = view_decider
        self.deciders[run_decider.category] = run_decider
        common: dict[str, Any] = {
            "pool": runtime.pool,
            "loop": runtime.loop,
            "timers": runtime.timers,
            "clock": clock,
            "failpoints": failpoints,
            "shard_of": store.shard_of,
            "is_ours": store.holds,
        }
        self.executor = Executor(
            step_types=step_types,
            plans=plans,
            read_blob=store.blob,
            retire=self._passivate,
            rest=self._passivate_soon,
            remind=self._remind,
            tell=self._put_in_mailbox,
            wake=self._wake,
            **common,
        )
        self.calls = CallEffects(calls, remind=self._remind, **common)
        self.custom_effects = CustomEffects(custom_handlers, **common)
        self.work = WorkUnderWay(self.executor, self.calls, self.custom_effects)
        self.snapshots = SnapshotWriter(store, failpoints, threaded=runtime.threads)
        categories = frozenset(d.category for d in deciders)
        self.timers = ActorTimers(runtime.timers, self._remind)
        effects = EffectPort()
        effects.register_builtin(
            {**self.executor.performers, CallAction: self.calls.perform_action}
        )
        effects.register(Call, self.calls.check, self.calls.perform)
        effects.register(TimerAt, self.timers.check, self.timers.set)
        effects.register(CancelTimer, self.timers.check, self.timers.cancel)
        for kind in custom_handlers:
            effects.register(
                kind, self.custom_effects.check, self.custom_effects.perform, needs_event=True
            )
        work_trackers = dict.fromkeys(self.deciders, NO_WORK_TRACKER) | {
            run_decider.category: self.executor
        }
        self.host = ActorHost(
            store=store,
            types=self.types,
            clock=clock,
            ids=ids,
            dispatcher=runtime.dispatcher,
            deciders=self.deciders,
            checked=categories,
            effects=effects,
            work_trackers=work_trackers,
            intensity=RestartIntensity(),
            snapshots=Snapshots(clock, self.snapshots),
            retry_later=self._retry_later,
        )
        types = self.message_types = message_types(self.deciders.values())
        self.inbox_client = InboxClient(store, types, ids, clock)
        message_types_of = {category: types[category] for category in categories}
        tell_sender = TellSender(message_types_of, store.shard_of, self.inbox_client.sender)
        effects.register_row(Tell, tell_sender.check, tell_sender.row)
        effects.register(
            Reply, lambda reply: check_reply_key("the key of a Reply", reply.key), _nothing
        )
        self.alerts = Alerts(alert_handlers, store.shard_of, self.inbox_client.sender)
        store.on_ownership(self.alerts.on_ownership)
        effects.register_row(Alert, self.alerts.check, self.alerts.row)
        run_starter = RunStarter(
            definitions, store.shard_of, self.executor.held, clock, self.inbox_client.sender
        )
        self.directory = Directory(
            self.host, InboxRemoteActors(self.inbox_client, self.host), self._on_passivated
        )
        watch = StartedRuns(
            run_starter,
            self.directory,
            self.executor,
            self.remote_run_ends,
            store,
            runtime.timers,
            clock,
        )
        effects.register_row(StartRun, run_starter.check, run_starter.row, watch.perform)
        self.wake_service = WakeService(
            store,
            self.directory,
            runtime.dispatcher,
            runtime.timers,
            clock,
            self.host.wakeable_categories,
        )
        self.passivation = PassivationSchedule(
            self.directory, runtime.dispatcher, runtime.timers, clock
        )
        self.process_commands = ProcessCommands(
            TaskThread if runtime.threads else lambda _: PoolTaskRunner(runtime)
        )
        command_reader = CommandReader(
            types=types,
            step_types=step_types,
            executor=self.executor,
            clock=clock,
            shard_of=store.shard_of,
        )
        new_inbox_worker = (
            InboxWorker if runtime.threads else partial(ThreadlessWorker, runtime=runtime)
        )
        self.inbox_worker = new_inbox_worker(
            store,
            self.directory,
            command_reader,
            self.process_commands,
            clock,
            self.host.dead_letter,
            failpoints,
        )
        self.host.carrier, self.host.encode_reply = self.inbox_worker, command_reader.encode_reply
        run_reconciler = RunReconciler(self.directory, runtime.dispatcher, runtime.timers, clock)
        self.ownership = ShardOwnership(
            store, self.directory, self.work, self.wake_service, run_reconciler, drain
        )
        self.views = TimedViews(
            store,
            self.types,
            lambda: (*default_projections(), *map(CustomView, projections)),
        )
        self.readers = LogReaders(
            store, self.types, self.deciders, clock, ids, runtime, self.async_calls.call
        )
        self.projections = ProjectionRunner(
            store,
            self.types,
            (*default_projections(), *map(CustomView, projections)),
            clock,
            failpoints,
            owner=ids.text(),
            lease=LEASE if lease is None else lease,
        )
        self.process_commands.offer(KIND, self.alerts.tell, slow=True)
        self.process_commands.offer("rebuild", self.projections.rebuild, slow=True)
        self.process_commands.offer("drop_snapshots", lambda _: drop_snapshots(store))
        runtime.lead_with(store.lead)

    def start(self) -> None:
        """Start the timers.

        Raises:
            ThreadUnavailableError: The host gives no thread for them.
        """
        self.runtime.start()
        self.passivation.begin()

    def activate_unbegun_runs(self) -> None:
        """Activate the runs that must record, before the end, steps that have not begun here."""
        streams = dict.fromkeys(step.stream for step in self.executor.unregistered.unbegun(_all))
        heads = [StreamHead(stream, "run", 0, "", 0) for stream in streams]
        for at in range(0, len(heads), PAGE):
            self.directory.wake_together(heads[at : at + PAGE])

    def fold(self, stream: str, as_of: AsOf | None) -> Any:
        """The state of a stream of a user's actor, now or ``as_of`` a moment."""
        decider = self.deciders[stream.partition("-")[0]]
        until = None if as_of is None else version_at(self.store, stream, as_of)
        return recover(self.store, self.types, decider, stream, until=until).state

    def _passivate(self, actor: DurableActor) -> None:
        self.directory.passivate(actor)

    def _put_in_mailbox(self, stream: str, item: Any) -> bool:
        """Put ``item`` in the mailbox of an active actor; return whether it was accepted."""
        actor = self.directory.live(stream)
        return actor is not None and actor.state is not None and actor.actor_inbox.put(item)

    def _wake(self, streams: Sequence[str]) -> None:
        self.wake_service.wake([StreamHead(stream, "run", 0, "", 0) for stream in streams])

    def _passivate_soon(self, actor: DurableActor) -> None:
        self.passivation.passivate_soon(actor)

    def _on_passivated(self, stream: str, due: int) -> None:
        """Forget the timers of a passivated actor; its row in ``streams`` will wake it."""
        self.timers.left(stream)
        self.calls.left(stream)
        self.executor.left(stream)
        if due:
            self.wake_service.left(stream, due)

    def _remind(self, stream: str, item: Any) -> None:
        self.directory.remind(stream, item)

    def _retry_later(self, actor: DurableActor) -> None:
        due = self.clock.now() + _RETRY_STORE_US
        self.runtime.timers.at(due, f"store/{actor.stream}", actor.wake)


def _all(_stream: str) -> bool:
    """Hold every stream: the system is closing."""
    return True


def _nothing(*_: object) -> None:
    """Do nothing: the process owns its store, or the reply has been sent."""
