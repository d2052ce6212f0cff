"""Performs effects of users' own types: each by the handler that the system was given for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.commit.promises import check_key
from indelible.actors.effects.attempts.attempt_queue import Attempts
from indelible.actors.effects.attempts.holds import Holds
from indelible.actors.effects.calls.host_functions import CallFunction
from indelible.actors.effects.custom.custom_attempt import CustomAttempt
from indelible.actors.effects.effect_types import Caused


class CustomEffects(Attempts[CustomAttempt]):
    """The handler of all types that ``ActorSystem(effects={...})`` names.

    What is durable is performed, also while a system closes or a shard leaves, as long as there is
    time: unless the state waits for it, nobody would do so later.
    """

    def __init__(self, handlers: Mapping[type, CallFunction], **surroundings: Any) -> None:
        """Call ``handlers``; the ``surroundings`` are those of all attempts."""
        super().__init__(**surroundings)
        self._handlers = handlers
        self._leaving = Holds(self._shard_of, self.holds.is_ours)

    def check(self, effect: Any) -> None:
        """See that the key of ``effect`` is one, if it has any.

        Raises:
            RefusedError: It is not.
        """
        if getattr(effect, "key", ""):
            check_key(f"the key of a {type(effect).__name__}", effect.key)

    def perform(self, actor: DurableActor, caused: Caused) -> None:
        """Have the handler called, unless it is being called for this very effect."""
        key = (actor.stream, caused.id)
        if self.find(key) is None:
            function = self._handlers[type(caused.effect)]
            self._enqueue(CustomAttempt(self, actor, caused, function, key, function.blocking))

    def ended(self, attempt: CustomAttempt, message: Any) -> None:  # noqa: ARG002 - nothing is told
        """The handler has returned, or failed."""
        self._forget(attempt)
        self._tell_who_waits()

    # -- closing, and giving shards away

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Give nothing back: :meth:`finish` waits for it."""
        self._leaving.hold(shards)

    def take(self, shards: Collection[int]) -> None:
        """See that ``shards`` are this process's."""
        self._leaving.release(shards)

    def finish(self, timeout: float) -> list[str]:
        """Wait for what was to be performed, and name what is not in ``timeout`` seconds."""
        with self._returned:
            self._returned.wait_for(lambda: not self._left(), timeout)
            left = self._left()
        for attempt in left:
            attempt.cancel()
        return [attempt.name for attempt in left]

    def _left(self) -> list[CustomAttempt]:
        return [one for one in self._all() if self._leaving.cover(one.actor.stream)]
