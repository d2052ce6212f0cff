"""Timers that actors have set with :class:`TimerAt`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from indelible.actors.durable.commit.promise_keeping import Due
from indelible.actors.durable.commit.promises import check_key
from indelible.actors.durable.envelope import Envelope
from indelible.actors.durable.timers.stream_timers import StreamTimers
from indelible.actors.effects.effect_types import CancelTimer, Caused, TimerAt
from indelible.actors.runtime.timers import Timers
from indelible.errors import RefusedError

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor

_MAX = 2**63 - 1


class ActorTimers:
    """Performs :class:`TimerAt` and :class:`CancelTimer`; any thread may use it."""

    def __init__(self, timers: Timers, remind: Callable[[str, Any], None]) -> None:
        """Wait with ``timers``; ``remind`` reaches the actor of a stream that is this process's."""
        self._set = StreamTimers(timers)
        self._remind = remind

    def __len__(self) -> int:
        """How many timers wait, of actors in memory."""
        return len(self._set)

    def check(self, effect: TimerAt | CancelTimer) -> None:
        """See that the effect can be performed.

        Raises:
            RefusedError: Its key is no text, or its time no instant.
        """
        check_key("a timer's key", effect.key)
        if type(effect) is TimerAt and not (type(effect.due) is int and 0 <= effect.due <= _MAX):
            raise RefusedError(f"a timer is due at microseconds UTC, an int: {effect.due!r:.80}")

    def set(self, actor: DurableActor, caused: Caused) -> None:
        """Set a timer, in the place of one with the same key."""
        effect: TimerAt = caused.effect
        fire = partial(self._fire, actor.stream, effect.key, effect.due)
        self._set.set(actor.stream, effect.key, effect.due, fire)

    def cancel(self, actor: DurableActor, caused: Caused) -> None:
        """Forget a timer; one that is not set does no harm."""
        self._set.cancel(actor.stream, caused.effect.key)

    def left(self, stream: str) -> None:
        """Forget the timers of a stream that has left memory: its row says when to wake it."""
        self._set.forget(stream)

    def _fire(self, stream: str, key: str, due: int) -> None:
        self._remind(stream, Envelope(Due(key, due)))  # its context is that of the promise
