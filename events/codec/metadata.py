"""Encodes the context of an event as its metadata bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgpack
import msgspec

from indelible.errors import EventDecodeError, PayloadTooLargeError, ValueNotStorableError
from indelible.events.model.message_context import Context

METADATA_LIMIT = 64 * 1024
"""Bytes of one context: it is stored with each of its events."""

_ENCODED = 1_000
"""Encoded contexts that are cached: the calls of a block share one, and each run has its own."""


@lru_cache(_ENCODED)
def encode_metadata(context: Context) -> bytes:
    r"""Encode the fields that are not empty.

    Raises:
        ValueNotStorableError: A field is not a str of valid Unicode.
        PayloadTooLargeError: More than :data:`METADATA_LIMIT` bytes.

    >>> encode_metadata(Context(agent="etl"))
    b'\x81\xa5agent\xa3etl'
    """
    try:
        fields = msgspec.to_builtins(context, builtin_types=(bytes,))
        msgspec.convert(fields, Context, builtin_types=(bytes,))
        data: bytes = msgpack.packb(fields)
    except (TypeError, ValueError, msgspec.ValidationError) as error:
        raise ValueNotStorableError("metadata", str(error), "use str fields") from error
    if len(data) > METADATA_LIMIT:
        raise PayloadTooLargeError("the metadata", len(data), METADATA_LIMIT)
    return data


def correlated(correlation_id: str) -> bytes:
    r"""Encode a context with only a correlation id, as each new actor has; faster.

    >>> correlated("42") == encode_metadata(Context(correlation_id="42"))
    True
    """
    if not 0 < len(correlation_id) <= _SHORT or not correlation_id.isascii():
        return encode_metadata(Context(correlation_id=correlation_id))
    packed: bytes = _CORRELATION + msgpack.packb(correlation_id)
    return packed


def promising(data: bytes, keys: Sequence[str]) -> bytes:
    r"""Add to ``data`` the ``keys`` of the effects that its event promises.

    The keys are not part of the context, since they concern this event alone.

    >>> promises_in(promising(correlated("42"), ["", "reminder"]))
    ['', 'reminder']
    >>> decode_metadata(promising(correlated("42"), ["", "reminder"]))
    Context(correlation_id='42')
    """
    fields = msgpack.unpackb(data)
    more: bytes = msgpack.packb({**fields, _PROMISES: list(keys)})
    if len(more) > METADATA_LIMIT:
        raise PayloadTooLargeError("the metadata", len(more), METADATA_LIMIT)
    return more


def promises_in(data: bytes) -> Sequence[str]:
    """Return the keys that :func:`promising` has added; nearly all events have none.

    Raises:
        EventDecodeError: The bytes are damaged.
    """
    if _MARK not in data:
        return ()
    try:
        keys: Any = msgpack.unpackb(data).get(_PROMISES, ())
        return msgspec.convert(keys, list[str])
    except (ValueError, AttributeError, msgspec.ValidationError, msgpack.UnpackException) as error:
        raise EventDecodeError("metadata", 1, str(error) or type(error).__name__) from error


_PROMISES = "effects"
_MARK: bytes = msgpack.packb(_PROMISES)
_SHORT = 1_000  # characters, far below the limit
_CORRELATION = encode_metadata(Context(correlation_id="."))[:-2]  # the bytes before the value


def decode_metadata(data: bytes) -> Context:
    """Decode a context; fields that a later version added are ignored.

    Raises:
        EventDecodeError: The bytes are damaged.
        PayloadTooLargeError: More than :data:`METADATA_LIMIT` bytes; nothing was decoded.
    """
    if len(data) > METADATA_LIMIT:
        raise PayloadTooLargeError("the stored metadata", len(data), METADATA_LIMIT)
    try:
        fields: Any = msgpack.unpackb(data)
        return msgspec.convert(fields, Context)
    except (ValueError, TypeError, msgspec.ValidationError, msgpack.UnpackException) as error:
        raise EventDecodeError("metadata", 1, str(error) or type(error).__name__) from error
