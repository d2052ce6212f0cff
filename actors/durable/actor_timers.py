"""Timers that actors have set with :class:`TimerAt`, and streams that are to be woken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from indelible.actors.durable.effects import CancelTimer, Caused, TimerAt
from indelible.actors.durable.envelope import Envelope
from indelible.actors.durable.promises import KEY_LIMIT
from indelible.actors.durable.promising import Due
from indelible.actors.durable.trouble import WAKE
from indelible.actors.runtime.timers import Timer, Timers
from indelible.errors import RefusedError

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor

_MAX = 2**63 - 1


class ActorTimers:
    """Performs :class:`TimerAt` and :class:`CancelTimer`; any thread may use it."""

    def __init__(self, timers: Timers, remind: Callable[[str, Any], None]) -> None:
        """Wait with ``timers``; ``remind`` reaches the actor of a stream that is this process's."""
        self._timers = timers
        self._remind = remind
        self._lock = threading.Lock()
        self._set: dict[tuple[str, str], tuple[int, Timer]] = {}

    def __len__(self) -> int:
        """How many timers wait."""
        return len(self._set)

    def check(self, effect: TimerAt | CancelTimer) -> None:
        """See that the effect can be performed.

        Raises:
            RefusedError: Its key is no text, or its time no instant.
        """
        if not isinstance(effect.key, str) or not 0 < len(effect.key) <= KEY_LIMIT:
            raise RefusedError(f"a timer's key has 1 to {KEY_LIMIT} characters: {effect.key!r:.80}")
        if type(effect) is TimerAt and not (type(effect.due) is int and 0 <= effect.due <= _MAX):
            raise RefusedError(f"a timer is due at microseconds UTC, an int: {effect.due!r:.80}")

    def set(self, actor: DurableActor, caused: Caused) -> None:
        """Set a timer, in the place of one with the same key."""
        effect: TimerAt = caused.effect
        place = actor.stream, effect.key
        with self._lock:
            due, timer = self._set.get(place, (-1, None))
            if due == effect.due:
                return  # issued again while it waits
            if timer is not None:
                self._timers.cancel(timer)
            fire = partial(self._fire, place, effect.due)
            self._set[place] = effect.due, self._timers.at(effect.due, "#".join(place), fire)

    def cancel(self, actor: DurableActor, caused: Caused) -> None:
        """Forget a timer; one that is not set does no harm."""
        with self._lock:
            _, timer = self._set.pop((actor.stream, caused.effect.key), (0, None))
        if timer is not None:
            self._timers.cancel(timer)

    def wake(self, stream: str, due: int) -> None:
        """Bring the actor of ``stream`` into memory at ``due``: it sets its timers itself."""
        self._timers.at(due, stream, partial(self._remind, stream, WAKE))

    def _fire(self, place: tuple[str, str], due: int) -> None:
        with self._lock:
            if self._set.get(place, (-1, None))[0] == due:
                del self._set[place]
        stream, key = place
        self._remind(stream, Envelope(Due(key, due)))  # its context is that of the promise
