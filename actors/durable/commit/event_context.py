"""The part of a durable actor that knows where its events come from."""

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
    inherited,
    named,
    over,
    seen_at,
)


class ContextualActor(PooledActor):
    """Gives each event the context of its message, over what its stream inherits.

    Attributes:
        stream: Name of the stream.
        identity: What stands in it after the category.
        context: What its events inherit from the first one; only runs do.
    """

    stream: str
    identity: str
    context: Context = NO_CONTEXT
    _host: ActorHost
    _decider: Decider[Any]
    _sees: bool  # decide has a third parameter
    _metadata: bytes  # of events whose message has no context
    _version: int

    def _in_full(self, context: Context) -> Context:
        """The context of the events of a message that came with ``context``."""
        return named(over(self.context, context), self.identity)

    def _seen(self, context: Context | None) -> MessageContext:
        """What ``decide`` sees of a message, whose events are to have ``context``."""
        known = named(self.context, self.identity) if context is None else context
        return seen_at(self._host.clock.now(), known)

    def _inherit(self, context: Context) -> None:
        """Have later events go on with ``context``, that of the first one."""
        self.context = inherited(context)
        self._metadata = encode_metadata(self.context)

    def _inherit_again(self, first: RecordedEvent | None) -> None:
        """The same of a stream that was read back, whose ``first`` event is this one.

        Raises:
            EventDecodeError: Its context is damaged.
        """
        self.context, self._metadata = NO_CONTEXT, correlated(self.identity)
        if self._decider.inherits and first is not None and first.metadata != self._metadata:
            self._inherit(first.context)
