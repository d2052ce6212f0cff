"""Performs effects of users' own types with the handlers that the system was given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.commit.promises import check_key
from indelible.actors.effects.attempts.attempt_queue import Attempts
from indelible.actors.effects.attempts.held_shards import HeldShards
from indelible.actors.effects.calls.host_functions import CallFunction
from indelible.actors.effects.custom.custom_attempt import CustomAttempt
from indelible.actors.effects.effect_types import Caused


class CustomEffects(Attempts[CustomAttempt]):
    """The performer of all types that ``ActorSystem(effects={...})`` names.

    Durable effects are also performed while a system closes or a shard leaves, as far as there is
    time: an effect that the state does not wait for would be lost otherwise.
    """

    def __init__(self, handlers: Mapping[type, CallFunction], **surroundings: Any) -> None:
        """Call ``handlers``; ``surroundings`` are the arguments of :class:`Attempts`."""
        super().__init__(**surroundings)
        self._handlers = handlers
        self._leaving = HeldShards(self._shard_of, self.held_shards.is_ours)

    def check(self, effect: Any) -> None:
        """Check the key of ``effect``, if it has one.

        Raises:
            RefusedError: The key is not valid.
        """
        if getattr(effect, "key", ""):
            check_key(f"the key of a {type(effect).__name__}", effect.key)

    def perform(self, actor: DurableActor, caused: Caused) -> None:
        """Call the handler, unless it is being called for the same effect."""
        key = (actor.stream, caused.id)
        if self.find(key) is None:
            function = self._handlers[type(caused.effect)]
            self._enqueue(CustomAttempt(self, actor, caused, function, key, function.blocking))

    def ended(self, attempt: CustomAttempt, message: Any) -> None:  # noqa: ARG002 - there is none
        """Forget the attempt: its handler has returned or failed."""
        self._forget(attempt)
        self._notify_waiters()

    # -- closing, and giving shards away

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Report no attempts as not begun: :meth:`finish` waits for them."""
        self._leaving.hold(shards)

    def take(self, shards: Collection[int]) -> None:
        """Note that this process owns ``shards``."""
        self._leaving.release(shards)

    def finish(self, timeout: float) -> list[str]:
        """Wait for the effects of held shards; name those not performed in ``timeout`` seconds."""
        with self._returned:
            self._returned.wait_for(lambda: not self._left(), timeout)
            left = self._left()
        for attempt in left:
            attempt.cancel()
        return [attempt.name for attempt in left]

    def _left(self) -> list[CustomAttempt]:
        return [one for one in self._all() if self._leaving.cover(one.actor.stream)]
