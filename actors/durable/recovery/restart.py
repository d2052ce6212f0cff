"""The part of a durable actor that handles failures: drop the state, rebuild it from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from indelible.actors.durable.actor_host import WorkTracker
from indelible.actors.durable.commit.in_flight import InFlight, PendingAppend, PendingReply, answer
from indelible.actors.durable.commit.late_replies import Asker, Askers
from indelible.actors.durable.commit.promise_keeping import PromisingActor
from indelible.actors.durable.commit.stored_answers import StoredAnswer
from indelible.actors.durable.envelope import Envelope
from indelible.actors.durable.mailbox import DurableMailbox
from indelible.actors.durable.recovery.lagging_row import check_row, may_lag
from indelible.actors.durable.recovery.quarantine import as_failure, is_damage, refusal_after
from indelible.actors.durable.recovery.recovery_stash import RecoveryStash, in_order, refuse
from indelible.actors.durable.recovery.restart_intensity import Restarts
from indelible.actors.effects.effect_types import Later, Reply
from indelible.errors import (
    IndelibleError,
    StoreError,
    StoreUnavailableError,
    WrongExpectedVersionError,
)
from indelible.events.inbox.late_answers import AwaitsReply, Late, LateAnswer

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor


class RestartingActor(PromisingActor):
    """Drops the state after a failure, and recovers it before the next message.

    Attributes:
        actor_inbox: The mailbox.
    """

    __slots__ = (
        *("_in_flight", "_presumed_new", "_recovered_version", "_recovery_stash", "_refusal"),
        *("_restarts", "_snapshot", "_snapshot_at", "_unfinished", "_work_tracker"),
        "actor_inbox",
    )

    actor_inbox: DurableMailbox  # type: ignore[assignment] # not pykka's: a stream is never stopped
    _work_tracker: WorkTracker
    _in_flight: InFlight
    _restarts: Restarts | None  # made by the first failure
    _recovery_stash: RecoveryStash | None  # set while there is no state
    _askers: Askers | None = None  # asks that wait for a late reply
    _refusal: IndelibleError | None  # set aside or stopped: all messages are refused
    _presumed_new: bool
    _recovered_version: int | None  # this object has appended all versions after this one
    _state: Any
    _snapshot: int  # version of the newest known snapshot; most streams have none
    _snapshot_at: int
    _unfinished: tuple[str, int] | None  # as the stream's head has it

    def _keep_waiting(self, later: Later, asker: Asker, late: list[Late]) -> Any:
        """Let ``asker`` wait for a later decision; returns the reply for now.

        One that is a row of the inbox waits there, by an entry in ``late``.
        """
        if type(asker) is StoredAnswer:
            if not asker.awaited:
                return None  # its sender does not wait for a reply
            row = AwaitsReply(asker.message_id, later.key)
            late.append(row)
            return row
        if self._askers is None:
            self._askers = Askers(str(self))
        return self._askers.keep(later, asker)

    def _reply_late(
        self, effects: Sequence[Any], replies: list[PendingReply], late: list[Late]
    ) -> None:
        """Add each ``Reply`` among ``effects``, for the askers in memory and for the rows."""
        for effect in effects:
            if type(effect) is Reply:
                if self._askers is not None:
                    replies += self._askers.replies_for(effect)
                answer = self._host.encode_reply(self.stream, effect.value)
                late.append(LateAnswer(effect.key, answer))

    def fail_late_replies(self, error: BaseException) -> None:
        """Fail late replies in memory with ``error``; not to be called while the actor decides."""
        if self._askers is not None:
            self._askers.fail_all(error)

    def dead_letter(self, message: Any, why: str) -> None:
        """Make a message that this actor does not handle a dead letter."""
        self._host.dead_letter(self.stream, message, why)

    def set_aside(self, why: StoreError) -> None:
        """Refuse all messages from now on: stored data is damaged; any thread may call."""
        self._discard_state(why)
        cast("DurableActor", self).wake()

    def _return_messages(self, pending_append: PendingAppend, error: BaseException) -> None:
        """Keep the messages of a failed append; fail those with an asker, which may retry.

        If the stream was presumed new, or its row may lag, all messages are kept: they are decided
        again after the stream was read, or refused if the log is damaged.
        """
        unread = may_lag(error) or (
            self._presumed_new and isinstance(error, WrongExpectedVersionError)
        )
        stash = self._discard_state(error)
        returned: list[Any] = []
        kept: set[int] = set()
        for item in pending_append.messages:
            if unread or type(item) is not Envelope or item.reply_to is None:
                returned.append(item)
                if type(item) is Envelope:
                    kept.add(id(item.reply_to))
        stash.give_back(returned)
        answer([(future, error) for future, _ in pending_append.replies if id(future) not in kept])

    def _discard_state(self, error: BaseException | None) -> RecoveryStash:
        """Drop the state; the actor's own thread and the commit's leader may both call it."""
        with self._in_flight.lock:
            if self._recovery_stash is None:
                self._recovery_stash = RecoveryStash(error)
            return self._recovery_stash

    def _read_back(self, stash: RecoveryStash) -> bool:
        """Rebuild the state from the stream; ``False`` if that is not possible now."""
        actor = cast("DurableActor", self)  # the only subclass
        if self._is_final(stash.error):
            assert self._refusal is not None
            self.fail_late_replies(self._refusal)
            refuse(stash.take_all(), self._refusal, self.dead_letter)
            self._work_tracker.set_aside(actor, self._refusal)
            return False
        host, decider = self._host, self._decider
        self._presumed_new = False
        begun = host.clock.monotonic()
        try:
            if host.store.state == "unavailable":
                raise StoreUnavailableError("it is being probed")
            found = host.recover(actor, self._recovered_version)
            check_row(host.store, stash.error, found.version)
            self._inherit_again(found.first)
        except Exception as error:  # noqa: BLE001 - a damaged stream must not stop other actors
            stash.error = as_failure(self.stream, error)
            if is_damage(error):
                return self._read_back(stash)  # which sets it aside
            stash.refuse_or_keep(stash.take_all(), self.dead_letter)
            stash.paused = True
            host.retry_later(actor)
            return False
        took = host.clock.monotonic() - begun
        self._in_flight = InFlight()
        self._state, self._version, self._unfinished = found.state, found.version, None
        self._wanted = None
        self._promises = dict(found.promises)
        if self._recovered_version is None:
            self._recovered_version = found.version
        self._snapshot = found.snapshot
        self._snapshot_at = host.snapshots.next_after(decider, found, took)
        resumption = None
        if found.version:
            resumption = self._work_tracker.resumption(actor, self._state, found.own)
        stash.keep(in_order([*stash.take_all(), *self.actor_inbox.take_all()], resumption))
        self._reissue_effects()
        return True

    def _is_final(self, failure: BaseException | None) -> bool:
        """Whether the actor is to be set aside after ``failure``."""
        if failure is not None and not isinstance(failure, StoreUnavailableError):
            if self._presumed_new and isinstance(failure, WrongExpectedVersionError):
                return False
            if self._restarts is None:
                self._restarts = Restarts(self._host.intensity)
            now = self._host.clock.monotonic()
            self._refusal = refusal_after(self.stream, failure, self._restarts, now, self._refusal)
        return self._refusal is not None
