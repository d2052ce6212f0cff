"""What one process may ask of another: a closed list of commands, each a typed message.

Encoding is for the sender, :class:`~indelible.remote.command_reader.CommandReader` reads it at the
owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from indelible.actors.decider import Decider
from indelible.actors.workflow.run_messages import COMMANDS
from indelible.errors import PayloadTooLargeError, RefusedError
from indelible.events.codec.values import encode_value
from indelible.events.inbox.inbox import COMMAND_LIMIT, Command

MESSAGE = "actor.message"
TOLD = "actor.told"
"""A message that an event of another actor has sent: nobody waits for its answer."""

BY_EFFECT = "effect:"
"""What the message ids of effects begin with, so that no asker's id is one of them."""

SERVICE = "service."
"""What the kinds of commands for a service itself begin with."""

MessageTypes = Mapping[str, type[msgspec.Struct]]
"""Struct classes that may be sent to the actors of a category, by their names."""


def is_told(command: Command) -> bool:
    """Whether an event of an actor sends ``command``: nobody waits for its answer."""
    return command.kind == TOLD or command.message_id.startswith(BY_EFFECT)


class Said(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A message to a user's own actor: a plain value, or one of the types its decider lists."""

    type: str
    body: bytes


_encoder = msgspec.msgpack.Encoder()


def message_types(deciders: Iterable[Decider[Any]]) -> dict[str, dict[str, type[msgspec.Struct]]]:
    """The classes that each category sends, by category and by name.

    Raises:
        ValueError: Two classes of one category have the same name.
        TypeError: One of them is no msgspec Struct.
    """
    found: dict[str, dict[str, type[msgspec.Struct]]] = {}
    for decider in deciders:
        types = found.setdefault(decider.category, {})
        for cls in decider.message_types:
            if not (isinstance(cls, type) and issubclass(cls, msgspec.Struct)):
                raise TypeError(f"{decider.category}: message type {cls!r} is no msgspec.Struct")
            if cls.__name__ in types:
                raise ValueError(f"{decider.category}: two message types {cls.__name__!r}")
            types[cls.__name__] = cls
    return found


def encode_message(stream: str, message: Any, types: MessageTypes) -> tuple[str, bytes]:
    """Kind and body of ``message`` to the actor of ``stream``.

    Raises:
        RefusedError: It is meant for the inside of one process.
        ValueNotStorableError: It is neither a storable value nor one of ``types``.
        PayloadTooLargeError: It has more than 4 MiB.
    """
    if stream.startswith("run-"):
        kind, body = _run_message(message)
    elif types.get(type(message).__name__) is type(message):
        kind, body = (
            MESSAGE,
            _encoder.encode(Said(type(message).__name__, _encoder.encode(message))),
        )
    else:
        kind, body = MESSAGE, _encoder.encode(Said("", encode_value(message)))
    check_size(body)
    return kind, body


def check_size(body: bytes) -> None:
    """Refuse what is too large for an inbox.

    Raises:
        PayloadTooLargeError: More than 4 MiB.
    """
    if len(body) > COMMAND_LIMIT:
        raise PayloadTooLargeError("the command", len(body), COMMAND_LIMIT)


def _run_message(message: Any) -> tuple[str, bytes]:
    kind = getattr(type(message), "kind", "")
    if COMMANDS.get(kind) is not type(message):
        raise RefusedError(f"a run takes no {type(message).__name__} from another process")
    return kind, _encoder.encode(replace(message, now=0, hold=False))  # its owner's to say
