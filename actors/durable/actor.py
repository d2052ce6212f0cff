"""An actor whose state is the fold of its stream: recover, decide, append, then reply and act."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from indelible.actors.decider import Decision
from indelible.actors.durable.actor_host import ActorHost
from indelible.actors.durable.commit.decision_check import wrong_decision
from indelible.actors.durable.commit.in_flight import InFlight, PendingAppend, PendingReply, answer
from indelible.actors.durable.commit.late_replies import check_later
from indelible.actors.durable.commit.promise_keeping import DROPPED, ENGINE_MESSAGES
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
from indelible.errors.error_text import in_words
from indelible.events.codec.metadata import correlated, encode_metadata
from indelible.events.inbox.inbox import Command
from indelible.events.inbox.late_answers import Late
from indelible.events.model.event import EncodedEvent
from indelible.events.model.message_context import NO_CONTEXT
from indelible.events.store import Append

logger = logging.getLogger("indelible.actors")


class DurableActor(PassivatingActor):
    """The only writer of one stream, in memory while the actor has work.

    Messages are handled one at a time on worker threads.  An actor may decide on state whose
    events are still being committed; replies and effects wait for the commit of the newest event
    they rest on.  When an append fails, the actor drops that state and reads the stream again.
    """

    __slots__ = ("_is_builtin", "actor_urn", "ahead", "category", "touched")

    registered: ClassVar[bool] = False
    ahead: ReadAhead | None  # events read in a batch; used by the first recovery

    def __init__(self, stream: str, host: ActorHost, *, presume_new: bool) -> None:
        """Start without state; ``presume_new`` saves reading a stream that is likely empty."""
        # pykka's constructor is not called on purpose: it makes a urn, an event and a reference
        # that durable actors do not use, and that cost a third of a short run's start.
        self.actor_inbox = self._create_actor_inbox()
        self.actor_inbox.owner = self
        self.actor_urn = self.stream = stream
        self.category, _, self.identity = stream.partition("-")
        self.touched = True  # since the last search for idle actors
        self._host = host
        self._decider = host.deciders[self.category]
        self._takes_context = self.category in host.context_categories
        self._effects, self._work_tracker = host.effects, host.work_trackers[self.category]
        self._promises, self._wanted = {}, None
        self._awaits_effects = self.category in host.awaiting_categories
        self._is_builtin = self.category not in host.checked
        self._in_flight = InFlight()
        self._restarts = None
        self.context, self._metadata = NO_CONTEXT, correlated(self.identity)
        self._recovery_stash = None if presume_new else RecoveryStash(None)
        self._refusal = None
        self._presumed_new = presume_new
        self._recovered_version = None
        self._state = self._decider.initial_state() if presume_new else None
        self._version = self._snapshot = 0
        self._snapshot_at = host.snapshots.first(self._decider)
        self._unfinished = self.ahead = None

    @staticmethod
    def _create_actor_inbox() -> DurableMailbox:  # type: ignore[override] # as above
        return DurableMailbox()

    def __str__(self) -> str:
        """The stream's name."""
        return self.stream

    @property
    def state(self) -> Any:
        """The live state, ``None`` until it has been read again; callers must not change it."""
        return None if self._recovery_stash is not None else self._state

    @property
    def is_stored(self) -> bool:
        """Whether the log surely has an event of the stream; ``False`` means that it is unknown."""
        recovered = self._recovered_version
        if self._recovery_stash is not None or recovered is None:
            return False
        appends = self._in_flight
        return recovered > 0 or (self._version > 0 and not len(appends) and appends.error is None)

    # -- messages in

    def deliver(self, message: Any) -> None:
        """Add a result or a timer, beyond the mailbox's bound; lost if the actor left memory."""
        self.actor_inbox.put(message)

    def deliver_here(self, message: Any) -> None:
        """Add a result and, if the actor is idle, handle it on the calling worker thread."""
        inbox = self.actor_inbox
        if inbox.add(message) and inbox.try_acquire():
            self.run_activation()

    def wake(self) -> None:
        """Schedule the actor, so that it handles waiting messages if it can."""
        self.deliver(WAKE)

    def busy(self) -> bool:
        """Whether messages wait or appends are in flight."""
        return bool(len(self.actor_inbox)) or not self._in_flight.drained

    def evict(self, why: IndelibleError) -> None:
        """Refuse all messages from now on with ``why``: the stream has another writer."""
        self._refusal = why
        self.deliver(WAKE)

    def leave_snapshot(self) -> None:
        """Store a snapshot for the stream's next actor; called once, after it left memory."""
        leave = self._host.snapshots.leave
        known = self._version, self._snapshot, self._state, self._promises
        leave(self._decider, self.stream, *known)

    def schedule(self) -> None:
        """Have a worker thread run the actor; the caller holds the mailbox's flag."""
        try:
            self._host.dispatcher.schedule(self)
        except ActorStoppedError as stopped:
            self._refuse_all(stopped)

    def _refuse_all(self, stopped: ActorStoppedError) -> None:
        """Refuse all waiting messages: the worker threads have ended; the log is unaffected."""
        inbox = self.actor_inbox
        while True:
            waiting = inbox.take_all()
            if self._recovery_stash is not None:
                waiting += self._recovery_stash.take_all()
            refuse([item for item in waiting if type(item) is Envelope], stopped, self.dead_letter)
            if not inbox.release():
                return

    # -- one activation

    def run_activation(self) -> None:
        """Handle up to 64 messages with one append; the caller holds the mailbox's flag."""
        inbox = self.actor_inbox
        if self._in_flight.park():
            return  # keeps the flag: the commit's leader schedules it when enough have landed
        batch = inbox.take_some(ACTIVATION)
        try:
            self._handle_batch(batch)
        except BaseException as error:
            logger.exception(
                "an activation of %s failed; its state is rebuilt from its events", self
            )
            self._discard_state(error)
        if inbox.release():
            self.schedule()

    def _handle_batch(self, batch: list[Any]) -> None:
        if self._refusal is not None:
            self.fail_late_replies(self._refusal)
            refuse(batch, self._refusal, self.dead_letter)
            return
        stash = self._recovery_stash
        if stash is not None:
            if stash.paused and not any(item is WAKE for item in batch):
                stash.refuse_or_keep(batch, self.dead_letter)
                return
            stash.keep(batch)
            if not self._in_flight.drained or not self._read_back(stash):
                return
            self._recovery_stash = None
            batch = stash.take_all()
        self.touched = True
        self._decide_batch(batch)

    def _decide_batch(self, batch: list[Any]) -> None:  # noqa: C901 - the hot path, without detours
        host, decider = self._host, self._decider
        decide, evolve, types, next_id = decider.decide, decider.evolve, host.types, host.ids.uuid7
        takes_context, builtin = self._takes_context, self._is_builtin
        encoded: list[EncodedEvent] = []
        replies: list[PendingReply] = []
        effects: list[Any] = []
        blobs: list[tuple[bytes, bytes]] = []
        commands: list[Command] = []
        late: list[Late] = []
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
                    context = self._full_context(context)
                    metadata = encode_metadata(context)
            decision: Any
            made: Any
            decision = made = ()
            ended = None
            try:
                if not builtin and type(message) in ENGINE_MESSAGES:
                    message, ended, context = self._handle_engine_message(message, encoded, effects)
                    if message is DROPPED:
                        continue
                    metadata = encode_metadata(context)
                made = (
                    decide(self._state, message, self._context_for_decide(context))
                    if takes_context
                    else decide(self._state, message)
                )
                if type(made) is not Decision:
                    made = Decision(tuple(made))
                if not builtin and made.effects:
                    self._effects.check(decider, made)
                if type(made.reply) is Later:
                    check_later(made.reply, future, self.stream, host.store)
                decision = made
                for event in decision.events:
                    encoded.append(types.encode(event, next_id(), metadata))
                    self._state = evolve(self._state, event)
                if context is not None and decider.inherits and self._begins(decision, encoded):
                    self._inherit(context)
                if builtin:
                    effects += decision.effects
                else:
                    self._add_effects(decision, context, ended, encoded, commands, effects)
                if decision.blobs:
                    blobs += decision.blobs
            except BaseException as error:
                if not isinstance(error, RefusedError) or type(decision) is Decision:
                    logger.exception("%s failed; its state is rebuilt from its events", self)
                    wrong = wrong_decision(self._decider, made)
                    failure = wrong or as_failure(self.stream, error)
                    self._crashed(failure, batch, done - 1)
                    return
                if future is not None:
                    replies.append((future, error))
                elif ended is not None:
                    self.dead_letter(message, in_words(error))
            else:
                if future is not None:
                    reply = decision.reply
                    if type(reply) is Later:
                        reply = self._keep_waiting(reply, future, late)
                    replies.append((future, reply))
                if not builtin and decision.effects:
                    self._reply_late(decision.effects, replies, late)
        try:
            pending_append = PendingAppend(replies or (), effects or (), batch)
            self._submit(encoded, blobs, commands, late, pending_append)
            if self._askers is not None:
                self._askers.sent()
        except BaseException as error:  # unfinished() raised; nothing has been sent
            logger.exception("%s failed; its state is rebuilt from its events", self)
            self._discard_state(error)
            refuse(batch, as_failure(self.stream, error), self.dead_letter)

    def _begins(self, decision: Decision, encoded: Sequence[EncodedEvent]) -> bool:
        """Whether ``decision``, whose events end ``encoded``, begins the stream."""
        return not self._version and 0 < len(decision.events) == len(encoded)

    def _crashed(self, error: BaseException, batch: list[Any], at: int) -> None:
        """Decide the rest of ``batch`` again, on a state that message ``at`` has not changed.

        If that message is a result it is kept, too: without it a run would never end.
        """
        item = batch[at]
        stash = self._discard_state(error)
        if type(item) is not Envelope:
            stash.keep(batch)
        else:
            stash.keep(batch[:at] + batch[at + 1 :])
            if item.reply_to is not None:
                self._submit_without_events(PendingAppend([(item.reply_to, error)], (), ()))
            else:
                self.dead_letter(item.message, in_words(error))
        self.deliver(WAKE)

    def _submit(
        self,
        encoded: list[EncodedEvent],
        blobs: list[tuple[bytes, bytes]],
        commands: list[Command],
        late: list[Late],
        pending_append: PendingAppend,
    ) -> None:
        """Submit the append; replies and effects wait for it and for older ones in flight."""
        if not encoded and not late:
            self._submit_without_events(pending_append)
            return
        status, wake_at = self._new_row() if encoded else (None, None)
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
            late=late or (),
        )
        self._version += len(encoded)
        if self._version >= self._snapshot_at:
            self._attach_snapshot(pending_append)
        self._in_flight.add(pending_append)
        if commands:
            self._host.carrier.sending(commands)
        self._host.store.submit(append)

    def _attach_snapshot(self, pending_append: PendingAppend) -> None:
        """Attach to ``pending_append`` a snapshot of the state after it, if one is due."""
        snapshots, version = self._host.snapshots, self._version
        captured, self._snapshot_at = snapshots.capture(
            self._decider, self.stream, self._state, version, self._promises
        )
        if captured is not None:
            self._snapshot = version
            pending_append.snapshot = version, captured

    def _submit_without_events(self, pending_append: PendingAppend) -> None:
        """Hold replies of a batch without events until the events of its state are durable."""
        in_flight = self._in_flight
        if in_flight.join_last(pending_append):
            return
        if in_flight.error is not None:  # the batch was decided on a state that is lost
            self._return_messages(pending_append, in_flight.error)
            self.deliver(WAKE)
        elif self._presumed_new and not self._version and pending_append.messages:
            # no append will show whether the stream is really new: read it and decide again
            self._discard_state(None).keep(pending_append.messages)
            self.deliver(WAKE)
        else:
            self._reply_and_perform(pending_append)

    def _reply_and_perform(self, pending_append: PendingAppend) -> None:
        effects = pending_append.effects
        if effects and not self._is_builtin:  # first: a caller with its answer may close the system
            self._effects.perform(self, effects)
            effects = ()
        if pending_append.replies:
            answer(pending_append.replies)
        if effects:  # the events record a run's effects, so its asker is answered first
            self._effects.perform(self, effects)
        if pending_append.snapshot is not None:
            self._host.snapshots.keep(self._decider, self.stream, *pending_append.snapshot)

    # -- after the commit, on the leader's thread

    def _landed(self, append: Append, error: BaseException | None) -> None:
        in_flight = self._in_flight
        pending_append = in_flight.landed(error)
        try:
            if error is None:
                if self._presumed_new:
                    self._presumed_new, self._recovered_version = False, 0
                if append.answers or append.late:
                    mark_stored(append, pending_append.replies)
                if append.commands:
                    self._host.carrier.sent(append.commands)
                self._reply_and_perform(pending_append)
            else:
                if append.commands:
                    self._host.carrier.not_sent(append.commands)
                self._return_messages(pending_append, in_flight.error or error)
        finally:
            in_flight.landing = False
        if in_flight.unpark():
            self.schedule()
        if self._recovery_stash is not None and not len(in_flight):
            self.deliver(WAKE)
