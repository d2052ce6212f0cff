"""The half of a durable actor that fails: it gives up its state, and reads it back from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from indelible.actors.durable.actor_host import WorkTracker
from indelible.actors.durable.commit.in_flight import InFlight, PendingAppend, answer
from indelible.actors.durable.commit.late_replies import Asker, Askers
from indelible.actors.durable.commit.promise_keeping import PromisingActor
from indelible.actors.durable.envelope import Envelope
from indelible.actors.durable.mailbox import DurableMailbox
from indelible.actors.durable.recovery.lagging_row import check_row, may_lag
from indelible.actors.durable.recovery.quarantine import as_failure, is_damage, refusal_after
from indelible.actors.durable.recovery.recovery_stash import RecoveryStash, in_order, refuse
from indelible.actors.durable.recovery.restart_intensity import Restarts
from indelible.actors.effects.effect_types import Later
from indelible.errors import (
    IndelibleError,
    StoreError,
    StoreUnavailableError,
    WrongExpectedVersionError,
)

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor


class RestartingActor(PromisingActor):
    """Knows when there is no state to decide on, and how there is one again.

    Attributes:
        actor_inbox: The mailbox.
    """

    actor_inbox: DurableMailbox  # type: ignore[assignment] # pykka's inbox, but nobody stops a stream
    _work_tracker: WorkTracker
    _in_flight: InFlight
    _restarts: Restarts | None  # made by the first failure
    _recovery_stash: RecoveryStash | None  # why there is no state
    _askers: Askers | None = None  # who waits for a late reply
    _refusal: IndelibleError | None  # set aside or stopped: nothing is taken
    _presumed: bool
    _since: int | None  # versions behind this one are of this object's making
    _state: Any
    _snapshot = 0  # version of the newest one that is known; most have none
    _snapshot_at: int
    _unfinished: tuple[str, int] | None  # as the stream's head has it

    def _keep_waiting(self, later: Later, asker: Asker) -> Any:
        """Have ``asker`` wait for a later decision; what to answer now."""
        if self._askers is None:
            self._askers = Askers(str(self))
        return self._askers.keep(later, asker)

    def let_askers_go(self, error: BaseException) -> None:
        """Tell those who wait for a late reply that there will be none; not while it decides."""
        if self._askers is not None:
            self._askers.let_go(error)

    def bury(self, message: Any, why: str) -> None:
        """Keep a message of this actor that nobody takes where people can see it."""
        self._host.bury(self.stream, message, why)

    def set_aside(self, why: StoreError) -> None:
        """Take no message any more: what the state refers to is damaged; any thread may call."""
        self._give_up(why)
        cast("DurableActor", self).look()

    def _give_back(self, pending_append: PendingAppend, error: BaseException) -> None:
        """Keep what caused a failed append, unless somebody waits for its answer: he may retry.

        What was refused for a version is decided again, or refused for damage, once that is read.
        """
        unread = may_lag(error) or (self._presumed and isinstance(error, WrongExpectedVersionError))
        returned = self._give_up(error).returned
        kept: set[int] = set()
        for item in pending_append.messages:
            if unread or type(item) is not Envelope or item.reply_to is None:
                returned.append(item)
                if type(item) is Envelope:
                    kept.add(id(item.reply_to))
        answer([(future, error) for future, _ in pending_append.replies if id(future) not in kept])

    def _give_up(self, error: BaseException | None) -> RecoveryStash:
        """Give up the state; the actor's own thread and the commit's leader may both call it."""
        with self._in_flight.lock:
            if self._recovery_stash is None:
                self._recovery_stash = RecoveryStash(error)
            return self._recovery_stash

    def _read_back(self, stash: RecoveryStash) -> bool:
        """Drop the state and fold the stream; ``False`` if that cannot be done now."""
        actor = cast("DurableActor", self)  # there are no others
        if self._is_final(stash.error):
            assert self._refusal is not None
            self.let_askers_go(self._refusal)
            refuse(stash.take_all(), self._refusal, self.bury)
            self._work_tracker.set_aside(actor, self._refusal)
            return False
        host, decider = self._host, self._decider
        self._presumed = False
        begun = host.clock.monotonic()
        try:
            if host.store.state == "unavailable":
                raise StoreUnavailableError("it is being probed")
            found = host.recover(actor, self._since)
            check_row(host.store, stash.error, found.version)
            self._inherit_again(found.first)
        except Exception as error:  # noqa: BLE001 - whatever the log holds, others go on
            stash.error = as_failure(self.stream, error)
            if is_damage(error):
                return self._read_back(stash)  # which sets it aside
            stash.turn_away(stash.take_all(), self.bury)
            stash.paused = True
            host.retry_later(actor)
            return False
        took = host.clock.monotonic() - begun
        self._in_flight = InFlight()
        self._state, self._version, self._unfinished = found.state, found.version, None
        self._wanted = None
        self._promises = dict(found.promises)
        if self._since is None:
            self._since = found.version
        self._snapshot = found.snapshot
        self._snapshot_at = host.snapshots.next_after(decider, found, took)
        resumption = None
        if found.version:
            resumption = self._work_tracker.resumption(actor, self._state, found.own)
        stash.keep(in_order(self.actor_inbox.take_all(), resumption))
        self._issue_again()
        return True

    def _is_final(self, failure: BaseException | None) -> bool:
        """Whether the actor is to be set aside after ``failure``."""
        if failure is not None and not isinstance(failure, StoreUnavailableError):
            if self._presumed and isinstance(failure, WrongExpectedVersionError):
                return False
            if self._restarts is None:
                self._restarts = Restarts(self._host.intensity)
            now = self._host.clock.monotonic()
            self._refusal = refusal_after(self.stream, failure, self._restarts, now, self._refusal)
        return self._refusal is not None
