"""The part of a durable actor that decides whether it may leave memory, and until when."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from indelible.actors.durable.commit.promises import row_of
from indelible.actors.durable.recovery.restart import RestartingActor
from indelible.actors.effects.effect_types import Call, TimerAt
from indelible.errors import StoreError

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor

logger = logging.getLogger("indelible.actors")

SOON = 5_000_000
"""Microseconds: an actor with a wake time within this time stays in memory."""


def _is_watched(effect: Any) -> bool:
    """Whether the performer of ``effect`` reports its end, even to an actor out of memory."""
    return type(effect) not in (TimerAt, Call)


class PassivatingActor(RestartingActor):
    """Leaves memory while its stream only waits; the stream's row holds its wake time."""

    def at_rest(self) -> bool:
        """Whether no work needs the state; called while no message is handled."""
        if self._recovery_stash is not None or len(self._in_flight) or self._askers:
            return False
        actor = cast("DurableActor", self)
        return bool(self._decider.at_rest(self._state)) or self._work_tracker.rests(
            actor, self._state
        )

    def _new_row(self) -> tuple[str | None, int | None]:
        """Status and wake-up time after the events, ``None`` for both if they have not changed."""
        unfinished = self._decider.unfinished(self._state)
        if self._awaits_effects:
            unfinished = row_of(unfinished, self._outstanding(), self._promises)
        if unfinished == self._unfinished:
            return None, None
        self._unfinished = unfinished
        return unfinished

    def sleeps_until(self) -> int | None:
        """The wake time of this actor if it leaves memory now; 0 means never.

        ``None`` if it must stay: it has work now or soon, or its row has another wake time, so
        that nothing would wake it.  Never raises.
        """
        host, actor = self._host, cast("DurableActor", self)
        try:
            if not self.at_rest():
                return None
            if actor.category not in host.wakeable_categories:
                return 0
            unfinished = self._decider.unfinished(self._state)
            outstanding = self._outstanding()
            if outstanding and not unfinished[1] and all(map(_is_watched, outstanding.values())):
                return 0
            wanted = row_of(unfinished, outstanding, self._promises)
            due = wanted[1]
            if due and due <= host.clock.now() + SOON:
                return None
            if due and self._unfinished is None:
                head = host.store.head(self.stream)
                self._unfinished = None if head is None else (head.status, head.wake_at)
        except StoreError:
            return None  # the row cannot be read now
        except Exception:
            logger.exception(
                "%s stays in memory: its decider failed to tell whether it is idle", self
            )
            return None
        return due if not due or self._unfinished == wanted else None
