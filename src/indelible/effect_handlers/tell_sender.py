"""Turns Tell effects of users' actors into inbox rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from indelible.actors.effects.effect_types import Caused, Tell
from indelible.arguments.ids_and_timeouts import check_id
from indelible.errors import RefusedError
from indelible.events.codec.metadata import encode_metadata
from indelible.events.inbox.inbox import Command
from indelible.remote.remote_messages import BY_EFFECT, TELL, MessageTypes, encode_message


class TellSender:
    """Makes the inbox rows of messages to other actors; any thread may use it."""

    def __init__(
        self, types: Mapping[str, MessageTypes], shard_of: Callable[[str], int], sender: str
    ) -> None:
        """Send to actors of the categories in ``types``; ``sender`` names this process."""
        self._types = types
        self._shard_of = shard_of
        self._sender = sender

    def check(self, effect: Tell) -> None:
        """Refuse an effect whose recipient cannot exist.

        Raises:
            RefusedError: The category is not known, or the id is not valid.
        """
        if effect.category not in self._types:
            known = ", ".join(sorted(self._types))
            raise RefusedError(f"there is no actor category {effect.category!r}; known are {known}")
        check_id("actor id", effect.id)

    def row(self, caused: Caused) -> Command:
        """The inbox row of a :class:`Tell`.

        Raises:
            ValueNotStorableError: The message is neither a storable value nor of one of the
                ``message_types`` of the recipient's decider.
            PayloadTooLargeError: The message has more than 4 MiB.
        """
        effect: Tell = caused.effect
        stream = f"{effect.category}-{effect.id}"
        _, body = encode_message(stream, effect.message, self._types[effect.category])
        context = encode_metadata(caused.context)
        message_id, shard = BY_EFFECT + caused.id, self._shard_of(stream)
        return Command(message_id, shard, stream, TELL, body, self._sender, context=context)
