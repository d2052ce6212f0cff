"""The envelope of an event: who caused it and why, as bytes beside the payload."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec

from indelible.errors import EventDecodeError, PayloadTooLargeError, ValueNotStorableError

METADATA_LIMIT = 64 * 1024
"""Bytes of one envelope: it is stored with every event of its append."""


class Metadata(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What travels with an event; an empty field is absent from the log.

    Attributes:
        correlation_id: The request that all of this belongs to.
        causation_id: The event or message that led to it directly.
        actor: Who decided, such as ``agent-etl``.
        principal: On whose behalf.
        reason: Why, in a person's words.
        trace: Trace context, as a W3C ``traceparent``.
    """

    correlation_id: str = ""
    causation_id: str = ""
    actor: str = ""
    principal: str = ""
    reason: str = ""
    trace: str = ""


def encode_metadata(metadata: Metadata) -> bytes:
    r"""Encode the fields that are not empty.

    Raises:
        ValueNotStorableError: A field is not a str of valid Unicode.
        PayloadTooLargeError: More than :data:`METADATA_LIMIT` bytes.

    >>> encode_metadata(Metadata(actor="agent-etl"))
    b'\x81\xa5actor\xa9agent-etl'
    """
    try:
        fields = msgspec.to_builtins(metadata, builtin_types=(bytes,))
        msgspec.convert(fields, Metadata, builtin_types=(bytes,))
        data: bytes = msgpack.packb(fields)
    except (TypeError, ValueError, msgspec.ValidationError) as error:
        raise ValueNotStorableError("metadata", str(error), "use str fields") from error
    if len(data) > METADATA_LIMIT:
        raise PayloadTooLargeError("the metadata", len(data), METADATA_LIMIT)
    return data


def correlated(correlation_id: str) -> bytes:
    r"""As :func:`encode_metadata` of nothing but a correlation id, which every new actor asks for.

    >>> correlated("42") == encode_metadata(Metadata(correlation_id="42"))
    True
    """
    if not 0 < len(correlation_id) <= _SHORT or not correlation_id.isascii():
        return encode_metadata(Metadata(correlation_id=correlation_id))
    packed: bytes = _CORRELATION + msgpack.packb(correlation_id)
    return packed


_SHORT = 1_000  # characters, far below the limit
_CORRELATION = encode_metadata(Metadata(correlation_id="."))[:-2]  # up to the value


def decode_metadata(data: bytes) -> Metadata:
    """Read an envelope; fields that a later version added are ignored.

    Raises:
        EventDecodeError: The bytes are damaged.
        PayloadTooLargeError: More than :data:`METADATA_LIMIT` bytes; nothing was built.
    """
    if len(data) > METADATA_LIMIT:
        raise PayloadTooLargeError("the stored metadata", len(data), METADATA_LIMIT)
    try:
        fields: Any = msgpack.unpackb(data)
        return msgspec.convert(fields, Metadata)
    except (ValueError, TypeError, msgspec.ValidationError, msgpack.UnpackException) as error:
        raise EventDecodeError("metadata", 1, str(error) or type(error).__name__) from error
