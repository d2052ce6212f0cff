"""The part of a durable actor that gives its events their context."""

from __future__ import annotations

from typing import Any

from indelible.actors.decider import Decider
from indelible.actors.durable.actor_host import ActorHost
from indelible.actors.runtime.pooled_actor import PooledActor
from indelible.events.codec.metadata import correlated, encode_metadata
from indelible.events.model.event import RecordedEvent
from indelible.events.model.message_context import (
    NO_CONTEXT,
    Context,
    MessageContext,
    at_time,
    inherited,
    merged,
    with_correlation,
)


class ContextualActor(PooledActor):
    """Gives each event the context of its message, on top of the context its stream inherits.

    Attributes:
        stream: Name of the stream.
        identity: The part of that name after the category.
        context: Context that events inherit from the first one; empty except in runs.
    """

    # Attributes that every durable actor has are slots, in this class and those below it: a dict
    # for each actor would be memory, and one more object for the garbage collector.
    __slots__ = (
        *("_decider", "_host", "_metadata", "_takes_context", "_version"),
        *("context", "identity", "stream"),
    )

    stream: str
    identity: str
    context: Context
    _host: ActorHost
    _decider: Decider[Any]
    _takes_context: bool  # decide has a third parameter
    _metadata: bytes  # for events whose message has no context
    _version: int

    def _full_context(self, context: Context) -> Context:
        """The context for the events of a message that came with ``context``."""
        return with_correlation(merged(self.context, context), self.identity)

    def _context_for_decide(self, context: Context | None) -> MessageContext:
        """The context for ``decide``, of a message whose events are to have ``context``."""
        known = with_correlation(self.context, self.identity) if context is None else context
        return at_time(self._host.clock.now(), known)

    def _inherit(self, context: Context) -> None:
        """Give later events ``context``, which is that of the first event."""
        self.context = inherited(context)
        self._metadata = encode_metadata(self.context)

    def _inherit_again(self, first: RecordedEvent | None) -> None:
        """Inherit from ``first``, the first event of a stream that was read from the log.

        Raises:
            EventDecodeError: The context of that event is damaged.
        """
        self.context, self._metadata = NO_CONTEXT, correlated(self.identity)
        if self._decider.inherits and first is not None and first.metadata != self._metadata:
            self._inherit(first.context)
