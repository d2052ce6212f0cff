"""The hash chain of a shard: each event's chain covers all events before it (tamper evidence).

Pure.  The hashed fields never change: a store that is moved keeps every event hash.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from struct import Struct

GENESIS = bytes(32)
"""The chain before the first event of a shard."""

_length = Struct(">I").pack
_int_length = Struct(">IqI").pack  # an integer part, and the length of the next part
_int = Struct(">Iq").pack
_place = Struct(">32sqqq").pack


def event_hash(
    stream: str,
    version: int,
    event_id: bytes,
    type: str,  # noqa: A002 - the field's name
    schema: int,
    recorded_at: int,
    metadata: bytes,
    payload: bytes,
) -> bytes:
    r"""Hash one event as stored: sha256 over its parts, each prefixed by its length in 4 bytes.

    Text is UTF-8, integers are 8 bytes, all big-endian.  Without the lengths ``("ab", "c")`` and
    ``("a", "bc")`` would have the same hash.

    >>> event_hash("run-1", 1, bytes(16), "run.accepted", 1, 0, b"\x80", b"\x80").hex()[:16]
    '53863d19b674965a'
    """
    name = stream.encode()
    parts = (
        _length(len(name)),
        name,
        _int_length(8, version, len(event_id)),
        event_id,
        _kind(type, schema),
        _int_length(8, recorded_at, len(metadata)),
        metadata,
        _length(len(payload)),
        payload,
    )
    return sha256(b"%b%b%b%b%b%b%b%b%b" % parts).digest()  # takes half the time of a join


@lru_cache(maxsize=1_000)
def _kind(wire_name: str, schema: int) -> bytes:
    """The parts of type and schema; cached, since few types make up most events."""
    kind = wire_name.encode()
    return _length(len(kind)) + kind + _int(8, schema)


def link(previous: bytes, shard: int, position: int, epoch: int, hashed: bytes) -> bytes:
    """Chain an event's hash to ``previous``, the chain of the position before it.

    Epoch, shard and position are hashed here, not in :func:`event_hash`: moving a store changes
    them.

    >>> link(GENESIS, 0, 1, 1, bytes(32)).hex()[:16]
    '89e836956611058a'
    """
    return sha256(_place(previous, shard, position, epoch) + hashed).digest()
