"""An actor whose state is the fold of its stream: recover, decide, append, and only then act."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from indelible.actors.decider import Decision
from indelible.actors.durable.actor_host import ActorHost
from indelible.actors.durable.commit.decision_check import wrong_decision
from indelible.actors.durable.commit.in_flight import InFlight, Owed, PendingAppend, answer
from indelible.actors.durable.commit.late_replies import check_later
from indelible.actors.durable.commit.promise_keeping import OWN, PASSED
from indelible.actors.durable.commit.promises import row_of
from indelible.actors.durable.commit.stored_answers import answers_among, mark_stored
from indelible.actors.durable.envelope import Envelope
from indelible.actors.durable.mailbox import DurableMailbox
from indelible.actors.durable.passivation import PassivatingActor
from indelible.actors.durable.recovery.quarantine import as_failure
from indelible.actors.durable.recovery.read_ahead import ReadAhead
from indelible.actors.durable.recovery.recovery_stash import WAKE, RecoveryStash, refuse
from indelible.actors.effects.effect_types import Later
from indelible.actors.runtime.mailbox import ACTIVATION
from indelible.errors import (
    ActorStoppedError,
    IndelibleError,
    RefusedError,
)
from indelible.errors.texts import in_words
from indelible.events.codec.metadata import correlated, encode_metadata
from indelible.events.inbox.inbox import Command
from indelible.events.model.event import EncodedEvent
from indelible.events.store import Append

logger = logging.getLogger("indelible.actors")


class DurableActor(PassivatingActor):
    """The one writer of one stream, in memory for as long as there is something to do.

    Messages are handled one at a time on worker threads.  An actor may decide on state whose
    events are still being committed; answers and effects wait for the commit of the newest event
    they rest on.  When an append fails, the actor drops that state and reads the stream again.
    """

    registered: ClassVar[bool] = False
    ahead: ReadAhead | None = None  # its events, until it reads them for the first time

    def __init__(self, stream: str, host: ActorHost, *, presume_new: bool) -> None:
        """Start without state; ``presume_new`` saves reading a stream that is likely empty."""
        # pykka's constructor is left out on purpose: its urn, event and reference, which nobody
        # sees of an actor that is known by its stream, cost a third of a short run's start.
        self.actor_inbox = self._create_actor_inbox()
        self.actor_inbox.owner = self
        self.actor_urn = self.stream = stream
        self.category, _, self.identity = stream.partition("-")
        self.touched = True  # since the last look for idle actors
        self._host = host
        self._decider = host.deciders[self.category]
        self._sees = self.category in host.seeing
        self._effects, self._work_tracker = host.effects, host.work_trackers[self.category]
        self._promises, self._waits = {}, self.category in host.waiting
        self._is_engines = self.category not in host.checked
        self._in_flight = InFlight()
        self._restarts = None
        self._metadata = correlated(self.identity)
        self._recovery_stash = None if presume_new else RecoveryStash(None)
        self._refusal = None
        self._presumed = presume_new
        self._since = None
        self._state = self._decider.initial_state() if presume_new else None
        self._version = 0
        self._snapshot_at = host.snapshots.first(self._decider)
        self._unfinished = None

    @staticmethod
    def _create_actor_inbox() -> DurableMailbox:  # type: ignore[override] # as above
        return DurableMailbox()

    def __str__(self) -> str:
        """The name that people know."""
        return self.stream

    @property
    def state(self) -> Any:
        """The live state, ``None`` while it is to be read again; look, never change."""
        return None if self._recovery_stash is not None else self._state

    # -- messages in

    def deliver(self, message: Any) -> None:
        """Add a message that no bound concerns: a result, a timer; lost if the actor has gone."""
        self.actor_inbox.put(message)

    def deliver_here(self, message: Any) -> None:
        """Add a result and, if the actor is idle, handle it on the calling worker thread."""
        inbox = self.actor_inbox
        if inbox.add(message) and inbox.try_acquire():
            self.run_activation()

    def look(self) -> None:
        """Go on with what waits, if it can go on now."""
        self.deliver(WAKE)

    def busy(self) -> bool:
        """Whether messages wait, or appends are under way."""
        return bool(len(self.actor_inbox)) or not self._in_flight.over

    def evict(self, why: IndelibleError) -> None:
        """Refuse everything from now on with ``why``: the stream has another writer."""
        self._refusal = why
        self.deliver(WAKE)

    def leave_snapshot(self) -> None:
        """Spare the next one of this stream reading it all; called once, out of memory."""
        leave = self._host.snapshots.leave
        known = self._version, self._snapshot, self._state, self._promises
        leave(self._decider, self.stream, *known)

    def go(self) -> None:
        """Have a worker thread run the actor; for the holder of the mailbox's flag."""
        try:
            self._host.dispatcher.schedule(self)
        except ActorStoppedError as stopped:
            self._leave(stopped)

    def _leave(self, stopped: ActorStoppedError) -> None:
        """Say no to whoever asks: the threads have ended; what the log has waits there."""
        inbox = self.actor_inbox
        while True:
            waiting = inbox.take_all()
            if self._recovery_stash is not None:
                waiting += self._recovery_stash.take_all()
            refuse([item for item in waiting if type(item) is Envelope], stopped, self.bury)
            if not inbox.release():
                return

    # -- one activation

    def run_activation(self) -> None:
        """Handle up to 64 messages with one append; for the holder of the mailbox's flag."""
        inbox = self.actor_inbox
        if self._in_flight.park():
            return  # with the flag: the leader has it run again when enough have landed
        batch = inbox.take_some(ACTIVATION)
        try:
            self._handle_batch(batch)
        except BaseException as error:
            logger.exception("%s is read again from its events", self)
            self._give_up(error)
        if inbox.release():
            self.go()

    def _handle_batch(self, batch: list[Any]) -> None:
        if self._refusal is not None:
            self.let_askers_go(self._refusal)
            refuse(batch, self._refusal, self.bury)
            return
        stash = self._recovery_stash
        if stash is not None:
            if stash.paused and not any(item is WAKE for item in batch):
                stash.turn_away(batch, self.bury)
                return
            stash.keep(batch)
            if not self._in_flight.over or not self._read_back(stash):
                return
            self._recovery_stash = None
            batch = stash.take_all()
        self.touched = True
        self._work(batch)

    def _work(self, batch: list[Any]) -> None:  # noqa: C901 - the hot path, without detours
        host, decider = self._host, self._decider
        decide, evolve, types, next_id = decider.decide, decider.evolve, host.types, host.ids.uuid7
        sees, engines = self._sees, self._is_engines
        encoded: list[EncodedEvent] = []
        replies: list[Owed] = []
        effects: list[Any] = []
        blobs: list[tuple[bytes, bytes]] = []
        commands: list[Command] = []
        done = 0
        if self._askers is not None:
            self._askers.begin()
        for item in batch:
            done += 1
            if item is WAKE:
                continue
            future, message, context, metadata = None, item, None, b""
            if type(item) is Envelope:
                future, message, context = item.reply_to, item.message, item.context
                if context is not None:
                    context = self._in_full(context)
                    metadata = encode_metadata(context)
            decision: Any
            made: Any
            decision = made = ()
            over = None
            try:
                if not engines and type(message) in OWN:
                    message, over, context = self._own(message, encoded, effects)
                    if message is PASSED:
                        continue
                    metadata = encode_metadata(context)
                made = (
                    decide(self._state, message, self._seen(context))
                    if sees
                    else decide(self._state, message)
                )
                if type(made) is not Decision:
                    made = Decision(tuple(made))
                if not engines and made.effects:
                    self._effects.check(decider, made)
                if type(made.reply) is Later:
                    check_later(decider, made.reply, future)
                decision = made
                for event in decision.events:
                    encoded.append(types.encode(event, next_id(), metadata))
                    self._state = evolve(self._state, event)
                if context is not None and decider.inherits and self._begins(decision, encoded):
                    self._inherit(context)
                if engines:
                    effects += decision.effects
                else:
                    self._look_after(decision, context, over, encoded, commands, effects)
                if decision.blobs:
                    blobs += decision.blobs
            except BaseException as error:
                if not isinstance(error, RefusedError) or type(decision) is Decision:
                    logger.exception("%s fails and is read again from its events", self)
                    wrong = wrong_decision(self._decider, made)
                    failure = wrong or as_failure(self.stream, error)
                    self._crashed(failure, batch, done - 1)
                    return
                if future is not None:
                    replies.append((future, error))
                elif over is not None:
                    self.bury(message, in_words(error))
            else:
                if future is not None:
                    reply = decision.reply
                    if type(reply) is Later:
                        reply = self._keep_waiting(reply, future)
                    replies.append((future, reply))
                if self._askers is not None:
                    replies += self._askers.owed(decision.effects)
        try:
            self._send(encoded, blobs, commands, PendingAppend(replies or (), effects or (), batch))
            if self._askers is not None:
                self._askers.sent()
        except BaseException as error:  # unfinished() raised; nothing has been sent
            logger.exception("%s fails and is read again from its events", self)
            self._give_up(error)
            refuse(batch, as_failure(self.stream, error), self.bury)

    def _begins(self, decision: Decision, encoded: Sequence[EncodedEvent]) -> bool:
        """Whether ``decision``, whose events are the last of ``encoded``, begins the stream."""
        return not self._version and 0 < len(decision.events) == len(encoded)

    def _crashed(self, error: BaseException, batch: list[Any], at: int) -> None:
        """Decide the others again, by a state that the message ``at`` has not touched.

        A result is kept, too: losing it would have its run wait for ever.
        """
        item = batch[at]
        stash = self._give_up(error)
        if type(item) is not Envelope:
            stash.keep(batch)
        else:
            stash.keep(batch[:at] + batch[at + 1 :])
            if item.reply_to is not None:
                self._send_after_others(PendingAppend([(item.reply_to, error)], (), ()))
            else:
                self.bury(item.message, in_words(error))
        self.deliver(WAKE)

    def _send(
        self,
        encoded: list[EncodedEvent],
        blobs: list[tuple[bytes, bytes]],
        commands: list[Command],
        pending_append: PendingAppend,
    ) -> None:
        """Append the events; let what rests on them, or on older ones under way, wait."""
        if not encoded:
            self._send_after_others(pending_append)
            return
        status: str | None = None
        wake_at: int | None = None
        unfinished = self._decider.unfinished(self._state)
        if self._waits:
            unfinished = row_of(unfinished, self._outstanding(), self._promises)
        if unfinished != self._unfinished:
            self._unfinished = unfinished
            status, wake_at = unfinished
        append = Append(
            self.stream,
            self._version,
            encoded,
            self._landed,
            self._metadata,
            status,
            wake_at,
            blobs or (),
            self._in_flight,
            answers=answers_among(pending_append.replies) if pending_append.replies else (),
            commands=commands or (),
        )
        self._version += len(encoded)
        if self._version >= self._snapshot_at:
            self._capture(pending_append)
        self._in_flight.add(pending_append)
        if commands:
            self._host.carrier.sending(commands)
        self._host.store.submit(append)

    def _capture(self, pending_append: PendingAppend) -> None:
        """Let ``pending_append`` carry a snapshot of the state that it leads to."""
        snapshots, version = self._host.snapshots, self._version
        captured, self._snapshot_at = snapshots.capture(
            self._decider, self.stream, self._state, version, self._promises
        )
        if captured is not None:
            self._snapshot = version
            pending_append.snapshot = version, captured

    def _send_after_others(self, pending_append: PendingAppend) -> None:
        """Let what caused no event wait for the events that it was decided on."""
        in_flight = self._in_flight
        if in_flight.join_last(pending_append):
            return
        if in_flight.error is not None:  # the state that it was decided on is lost
            self._give_back(pending_append, in_flight.error)
            self.deliver(WAKE)
        elif self._presumed and not self._version and pending_append.messages:
            self._give_up(None).keep(
                pending_append.messages
            )  # no append will tell whether it was right
            self.deliver(WAKE)
        else:
            self._depart(pending_append)

    def _depart(self, pending_append: PendingAppend) -> None:
        effects = pending_append.effects
        if effects and not self._is_engines:  # first: who has an answer may close the system
            self._effects.perform(self, effects)
            effects = ()
        if pending_append.replies:
            answer(pending_append.replies)
        if effects:  # what a run has begun is known by its events, so that its asker goes first
            self._effects.perform(self, effects)
        if pending_append.snapshot is not None:
            self._host.snapshots.keep(self._decider, self.stream, *pending_append.snapshot)

    # -- after the commit, on the leader's thread

    def _landed(self, append: Append, error: BaseException | None) -> None:
        in_flight = self._in_flight
        pending_append = in_flight.landed(error)
        try:
            if error is None:
                if self._presumed:
                    self._presumed, self._since = False, 0
                if append.answers:
                    mark_stored(append.answers, pending_append.replies)
                if append.commands:
                    self._host.carrier.sent(append.commands)
                self._depart(pending_append)
            else:
                if append.commands:
                    self._host.carrier.not_sent(append.commands)
                self._give_back(pending_append, in_flight.error or error)
        finally:
            in_flight.landing = False
        if in_flight.unpark():
            self.go()
        if self._recovery_stash is not None and not len(in_flight):
            self.deliver(WAKE)
