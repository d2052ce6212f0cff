"""The context that functions of the host get: the call or the effect that they are called for."""

from __future__ import annotations

from indelible.actors.durable.commit.promises import key_of
from indelible.actors.effects.effect_types import Caused
from indelible.events.model.message_context import Context


class CallContext:
    """The first argument of a function or handler of the host that takes two parameters.

    Attributes:
        key: Of the call or the effect; empty if it has none.
        stream: Of the actor.
        attempt: Number of this attempt, from 1.
        idempotency_key: The same for every attempt of this call or effect, and for no other.
        envelope: Context for calls that the function makes: principal, request, and as cause the
            event that promised the call or effect.
        cancelled: True once the attempt was given up: its time-out has passed or the system closes.
            A long function should check it and return early.
    """

    __slots__ = ("attempt", "cancelled", "envelope", "idempotency_key", "key", "stream")

    def __init__(self, stream: str, caused: Caused, attempt: int) -> None:
        """Describe one attempt at ``caused``."""
        self.key = key_of(caused.effect)
        self.stream = stream
        self.attempt = attempt
        self.idempotency_key = caused.id
        self.envelope: Context = caused.context
        self.cancelled = False
