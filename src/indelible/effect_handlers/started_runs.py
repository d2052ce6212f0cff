"""Starts runs whose end an actor waits for, and sends the outcome to the actor.

The waits are in memory only: after a crash ``Decider.pending`` issues the effects again, and a run
that exists already is not started twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.commit.promise_keeping import EffectEnded
from indelible.actors.durable.directory import Directory
from indelible.actors.durable.envelope import Envelope
from indelible.actors.effects.effect_types import Caused, RunEnded
from indelible.actors.runtime.timers import Timers
from indelible.actors.workflow.execute.executor import Executor
from indelible.actors.workflow.state.node_results import ReadBlob
from indelible.actors.workflow.state.run_state import RunState
from indelible.clock import Clock
from indelible.effect_handlers.run_starter import RunStarter, run_id_of
from indelible.errors import (
    ActorStoppedError,
    DefinitionError,
    IndelibleError,
    MissingExtraError,
    PayloadTooLargeError,
    RefusedError,
    RunExistsError,
    ShardNotOwnedError,
    StoreCorruptError,
    SystemClosedError,
    UnknownConnectionError,
)
from indelible.errors.error_text import message_of
from indelible.events.store import EventStore
from indelible.runs.local_run_end import on_end
from indelible.runs.outcome import outcome_of
from indelible.runs.remote_run_ends import RemoteRunEnds

_log = logging.getLogger("indelible.actors")

_REFUSALS = (
    DefinitionError,
    MissingExtraError,
    PayloadTooLargeError,
    RefusedError,
    RunExistsError,
    UnknownConnectionError,
)
"""Errors after which the run does not exist, and a retry fails in the same way."""

_CLOSED = SystemClosedError, ActorStoppedError

_FIRST_PAUSE, _MAX_PAUSE = 1.0, 60.0
"""Seconds until a failed start or wait is tried again: the first time, and at most."""


class WatchedRun(NamedTuple):
    """A run for whose end an actor waits."""

    stream: str
    run_id: str
    caused: Caused

    @property
    def run(self) -> str:
        """The run's stream."""
        return f"run-{self.run_id}"


class StartedRuns:
    """The handler of :class:`StartRun` effects with a key; any thread may use it."""

    def __init__(
        self,
        run_starter: RunStarter,
        directory: Directory,
        executor: Executor,
        ends: RemoteRunEnds,
        store: EventStore,
        timers: Timers,
        clock: Clock,
    ) -> None:
        """Start runs with ``run_starter``; ``ends`` reports ends of runs in other processes."""
        self._run_starter = run_starter
        self._directory = directory
        self._executor = executor
        self._ends = ends
        self._store = store
        self._timers = timers
        self._clock = clock
        self._lock = threading.Lock()
        self._waits: set[tuple[str, str]] = set()  # actor's stream and id of the effect

    def perform(self, actor: DurableActor, caused: Caused) -> None:
        """Start the run, or find it, unless this effect is performed already."""
        wait = actor.stream, caused.id
        with self._lock:
            if wait in self._waits:
                return
            self._waits.add(wait)
        self._start(WatchedRun(actor.stream, run_id_of(caused), caused), _FIRST_PAUSE)

    def _start(self, watch: WatchedRun, pause: float) -> None:
        try:
            message = self._run_starter.message(watch.caused)
        except RefusedError as refusal:  # the program has changed since the effect was checked
            self._send_end(watch, partial(_refused, watch, refusal))
            return
        answer = self._directory.ask(watch.run, message, context=watch.caused.context)
        answer.add_done_callback(partial(self._answered, watch, pause))

    def _answered(self, watch: WatchedRun, pause: float, answer: Any) -> None:
        try:
            answer.get(timeout=0)
        except _REFUSALS as refusal:
            if not (isinstance(refusal, RunExistsError) and self._was_started_by(watch)):
                self._send_end(watch, partial(_refused, watch, refusal))
                return
        except Exception as error:  # noqa: BLE001 - the run may have started, or may start yet
            self._retry_later(watch, self._start, pause, error)
            return
        self._follow(watch, _FIRST_PAUSE)

    def _was_started_by(self, watch: WatchedRun) -> bool:
        """Whether this effect has started the run, although ``pending`` has changed the effect."""
        try:
            first = next(iter(self._store.read(watch.run, until=1)))
            context = first.context
        except (IndelibleError, StopIteration):
            return False
        return bool(context.causation_id) and context == watch.caused.context

    def _follow(self, watch: WatchedRun, pause: float) -> None:
        ended = partial(self._ended, watch, pause)
        if self._directory.owns(watch.run):
            on_end(self._executor, self._directory, watch.run, ended)
            return
        try:
            end = self._ends.wait(watch.run_id)
        except SystemClosedError:
            return

        def on_answer(answer: Any) -> None:
            try:
                state = answer.get(timeout=0)
            except Exception as error:  # noqa: BLE001 - as above
                ended(error)
            else:
                ended(state)

        end.add_done_callback(on_answer)

    def _ended(self, watch: WatchedRun, pause: float, end: RunState | BaseException) -> None:
        """Handle the run's end, or the error of waiting for it; may be called twice."""
        if isinstance(end, BaseException):
            self._retry_later(watch, self._follow, pause, end)
        else:
            self._send_end(watch, partial(_run_ended, watch, end, self._store.blob))

    def _send_end(self, watch: WatchedRun, make: Callable[[], RunEnded]) -> None:
        with self._lock:
            if (watch.stream, watch.caused.id) not in self._waits:
                return
            self._waits.discard((watch.stream, watch.caused.id))
        ended = EffectEnded(watch.caused.effect.key, watch.caused.id, make)
        self._directory.remind(watch.stream, Envelope(ended))

    def _retry_later(
        self,
        watch: WatchedRun,
        again: Callable[[WatchedRun, float], None],
        pause: float,
        why: BaseException,
    ) -> None:
        """Call ``again`` after ``pause`` seconds, unless another process owns the actor now."""
        if isinstance(why, _CLOSED) or not self._directory.owns(watch.stream):
            with self._lock:
                self._waits.discard((watch.stream, watch.caused.id))
            return
        if not isinstance(why, ShardNotOwnedError):  # then another process executes the run
            _log.warning("run %s of %s: %s; trying again", watch.run_id, watch.stream, why)
        due = self._clock.now() + round(pause * 1_000_000)
        then = partial(again, watch, min(2 * pause, _MAX_PAUSE))
        self._timers.at(due, f"{watch.stream}#{watch.caused.effect.key}", then)


def _run_ended(watch: WatchedRun, state: RunState, read_blob: ReadBlob) -> RunEnded:
    key = watch.caused.effect.key
    try:
        outcome = outcome_of(state, read_blob)
        result, status = outcome["result"], outcome["status"]
    except StoreCorruptError as error:  # the run's stream is damaged, not the actor's
        return RunEnded(key, watch.run_id, "failed", {}, _error(error))
    return RunEnded(key, watch.run_id, status, result, outcome["error"])


def _refused(watch: WatchedRun, error: BaseException) -> RunEnded:
    return RunEnded(watch.caused.effect.key, watch.run_id, "refused", {}, _error(error))


def _error(error: BaseException) -> dict[str, Any]:
    return {"step": "", "type": type(error).__name__, "message": message_of(error), "steps": []}
