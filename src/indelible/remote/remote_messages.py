"""The messages between processes: a closed list of commands, each with a typed message.

The sender encodes here; :class:`~indelible.remote.command_reader.CommandReader` decodes in the
owner process.
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
from indelible.remote.message_check import check_message, untyped_fields

MESSAGE = "actor.message"
TELL = "actor.told"
"""Kind of a message that another actor's ``Tell`` effect has sent: no caller waits for an
answer."""

BY_EFFECT = "effect:"
"""Prefix of the message ids of effects; callers may not use it."""

SERVICE = "service."
"""Prefix of the kinds of commands for a process."""

MessageTypes = Mapping[str, type[msgspec.Struct]]
"""The message types of one category, by class name."""


def is_tell(command: Command) -> bool:
    """Whether an actor's effect has sent ``command``: no caller waits for its answer."""
    return command.kind == TELL or command.message_id.startswith(BY_EFFECT)


class ActorMessage(
    msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True
):
    """An encoded message to a user's actor: a plain value, or one of its decider's types."""

    type: str
    body: bytes


_encoder = msgspec.msgpack.Encoder()


def message_types(deciders: Iterable[Decider[Any]]) -> dict[str, dict[str, type[msgspec.Struct]]]:
    """The message types of all ``deciders``, by category and class name.

    Raises:
        ValueError: Two classes of one category have the same name.
        TypeError: A message type is no msgspec Struct.
    """
    found: dict[str, dict[str, type[msgspec.Struct]]] = {}
    for decider in deciders:
        types = found.setdefault(decider.category, {})
        for cls in decider.message_types:
            if not (isinstance(cls, type) and issubclass(cls, msgspec.Struct)):
                raise TypeError(f"{decider.category}: message type {cls!r} is no msgspec.Struct")
            if cls.__name__ in types:
                raise ValueError(f"{decider.category}: two message types {cls.__name__!r}")
            untyped_fields(cls)  # resolved now, and remembered
            types[cls.__name__] = cls
    return found


def encode_message(stream: str, message: Any, types: MessageTypes) -> tuple[str, bytes]:
    """Kind and body of the command that sends ``message`` to the actor of ``stream``.

    Raises:
        RefusedError: The message may only be sent within one process.
        ValueNotStorableError: The message is neither a storable value nor of one of ``types``.
        PayloadTooLargeError: The message has more than 4 MiB.
    """
    if stream.startswith("run-"):
        kind, body = _run_message(message)
    elif types.get(type(message).__name__) is type(message):
        check_message(message, types)
        kind, body = (
            MESSAGE,
            _encoder.encode(ActorMessage(type(message).__name__, _encoder.encode(message))),
        )
    else:
        kind, body = MESSAGE, _encoder.encode(ActorMessage("", encode_value(message)))
    check_size(body)
    return kind, body


def check_size(body: bytes) -> None:
    """Refuse a body that is too large for the inbox.

    Raises:
        PayloadTooLargeError: ``body`` has more than 4 MiB.
    """
    if len(body) > COMMAND_LIMIT:
        raise PayloadTooLargeError("the command", len(body), COMMAND_LIMIT)


def _run_message(message: Any) -> tuple[str, bytes]:
    kind = getattr(type(message), "kind", "")
    if COMMANDS.get(kind) is not type(message):
        raise RefusedError(f"a run takes no {type(message).__name__} from another process")
    return kind, _encoder.encode(replace(message, now=0, hold=False))  # the owner sets them
