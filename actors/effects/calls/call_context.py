"""What functions of the host are told of the call or the effect that they are for."""

from __future__ import annotations

from indelible.actors.durable.commit.promises import key_of
from indelible.actors.effects.effect_types import Caused
from indelible.events.model.message_context import Context


class CallContext:
    """What a function or handler of the host gets, if it takes two parameters.

    Attributes:
        key: Of the call or the effect; empty if it has none.
        stream: Of the actor.
        attempt: Number of this attempt, from 1.
        idempotency_key: The same for every attempt of this call or effect, and for no other.
        envelope: What goes with the calls that the function makes: on whose behalf, for which
            request, with the event that promised it as cause.
        cancelled: True once nobody waits for this attempt any more: its time-out has passed or the
            system closes.  A long function should look and return early.
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
