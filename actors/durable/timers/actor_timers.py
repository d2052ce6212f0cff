"""Timers that actors have set with :class:`TimerAt`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from indelible.actors.durable.commit.promise_keeping import TimerDue
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
        """Use ``timers``; ``remind`` delivers to the actor of a stream that this process owns."""
        self._set = StreamTimers(timers)
        self._remind = remind

    def __len__(self) -> int:
        """How many timers of actors in memory wait."""
        return len(self._set)

    def check(self, effect: TimerAt | CancelTimer) -> None:
        """Check that the effect can be performed.

        Raises:
            RefusedError: The key or the time is not valid.
        """
        check_key("a timer's key", effect.key)
        if type(effect) is TimerAt and not (type(effect.due) is int and 0 <= effect.due <= _MAX):
            raise RefusedError(f"a timer is due at microseconds UTC, an int: {effect.due!r:.80}")

    def set(self, actor: DurableActor, caused: Caused) -> None:
        """Set a timer; it replaces a timer with the same key."""
        effect: TimerAt = caused.effect
        fire = partial(self._fire, actor.stream, effect.key, effect.due)
        self._set.set(actor.stream, effect.key, effect.due, fire)

    def cancel(self, actor: DurableActor, caused: Caused) -> None:
        """Forget a timer, if it is set."""
        self._set.cancel(actor.stream, caused.effect.key)

    def left(self, stream: str) -> None:
        """Forget the timers of a stream that has left memory: its row has the wake time."""
        self._set.forget(stream)

    def _fire(self, stream: str, key: str, due: int) -> None:
        self._remind(stream, Envelope(TimerDue(key, due)))  # the promise has the context
