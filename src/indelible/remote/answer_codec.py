"""Encoding of answers: a value, or an error under its wire name.

The table of errors is closed and has wire names, never class paths (invariant 9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from indelible.errors import (
    ActorFailedError,
    ActorQuarantinedError,
    AskTimeoutError,
    DefinitionError,
    IndelibleError,
    MailboxFullError,
    MissingExtraError,
    PayloadTooLargeError,
    Problem,
    RefusedError,
    RunExistsError,
    StoreCorruptError,
    StoreReadOnlyError,
    UnknownConnectionError,
    UnknownProjectionError,
    UnknownRunError,
    ValueDecodeError,
    ValueNotStorableError,
)
from indelible.errors.base import rebuild
from indelible.errors.error_text import in_words, message_of
from indelible.events.codec.values import decode_value, encode_value

ERRORS: Mapping[str, type[IndelibleError]] = {
    "corrupt": StoreCorruptError,
    "decode": ValueDecodeError,
    "definition": DefinitionError,
    "extra": MissingExtraError,
    "failed": ActorFailedError,
    "full": MailboxFullError,
    "quarantined": ActorQuarantinedError,
    "read_only": StoreReadOnlyError,
    "refused": RefusedError,
    "run_exists": RunExistsError,
    "timeout": AskTimeoutError,
    "too_large": PayloadTooLargeError,
    "unknown_connection": UnknownConnectionError,
    "unknown_projection": UnknownProjectionError,
    "unknown_run": UnknownRunError,
    "unstorable": ValueNotStorableError,
}
"""Errors that an answer may carry; any other becomes an :class:`ActorFailedError`."""

_NAMES = {cls: name for name, cls in ERRORS.items()}


class Answer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An encoded answer.

    Attributes:
        error: Wire name of an error, empty for a reply.
        type: Name of the reply's message type, empty for a plain value.
        value: The encoded reply, or the error's parts.
        message: The error's text.
    """

    error: str
    type: str
    value: bytes
    message: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Answer)


def encode_reply(actor: str, reply: Any, types: Mapping[str, type[msgspec.Struct]]) -> bytes:
    """Encode ``reply``; an exception is encoded as an error.

    If the reply cannot be stored, the answer is the error that says so; the command has been
    handled all the same.
    """
    if isinstance(reply, BaseException):
        return encode_error(actor, reply)
    name = type(reply).__name__
    try:
        if types.get(name) is type(reply):
            return _encoder.encode(Answer("", name, _encoder.encode(reply)))
        return _encoder.encode(Answer("", "", encode_value(reply)))
    except BaseException as error:  # noqa: BLE001 - a user's reply may raise anything here
        return encode_error(actor, error)


def encode_error(actor: str, error: BaseException) -> bytes:
    """Encode ``error``; of a class that is not in the table only the text is kept."""
    name = next((_NAMES[cls] for cls in type(error).__mro__ if cls in _NAMES), "")
    if name:
        try:
            parts = encode_value(_plain(vars(error)))
            return _encoder.encode(Answer(name, "", parts, message_of(error)))
        except (IndelibleError, UnicodeError):
            pass  # a part that cannot be stored
    failed = ActorFailedError(
        actor, in_words(error).replace("\0", "")
    )  # PostgreSQL text has no NUL
    parts = encode_value(_plain(vars(failed)))
    return _encoder.encode(Answer(_NAMES[ActorFailedError], "", parts, str(failed)))


def decode_answer(data: bytes, types: Mapping[str, type[msgspec.Struct]]) -> Any:
    """Decode ``data``; an error is returned, not raised.

    Raises:
        ValueDecodeError: The bytes are damaged, or from a newer version.
    """
    try:
        answer = _decoder.decode(data)
        if answer.error:
            return rebuild(ERRORS[answer.error], answer.message, _parts(decode_value(answer.value)))
        if answer.type:
            return msgspec.msgpack.decode(answer.value, type=types[answer.type])
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ValueDecodeError(f"an answer: {in_words(error)}") from error
    return decode_value(answer.value)


def _plain(value: Any) -> Any:
    """``value`` with lists where an error has tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _parts(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an error, with tuples as its class has them."""
    parts = {name: tuple(part) if isinstance(part, list) else part for name, part in stored.items()}
    problems: Sequence[Sequence[str]] = parts.get("problems", ())
    if problems:
        parts["problems"] = tuple(Problem(*problem) for problem in problems)
    return parts
