"""Packs the columns of a group as PostgreSQL's binary arrays.

The driver takes about 1.3 microseconds for each element of a list, ten times as much: 13 ms for a
group of 1,000 events, for which the server needs 4 ms.
"""

from __future__ import annotations

import struct
from typing import Any

from psycopg import Connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

from indelible.events.postgres.write.columns import Blobs, Integers, Texts

_INT8, _BYTEA, _TEXT = 20, 17, 25  # oids of the elements, in every database
_INT8_ARRAY, _BYTEA_ARRAY, _TEXT_ARRAY = 1016, 1001, 1009

_length = struct.Struct(">i").pack
_NULL = _length(-1)
_head = struct.Struct(">iiIii").pack  # dimensions, has nulls, element's oid, size, lower bound


class _IntegersDumper(Dumper):
    format = Format.BINARY
    oid = _INT8_ARRAY

    def dump(self, obj: Any) -> bytes:
        count = len(obj)
        if None in obj:
            return _head(1, 1, _INT8, count, 1) + b"".join(map(_integer, obj))
        values = [8] * (2 * count)
        values[1::2] = obj
        return _head(1, 0, _INT8, count, 1) + struct.pack(">" + "iq" * count, *values)


class _BlobsDumper(Dumper):
    format = Format.BINARY
    oid = _BYTEA_ARRAY

    def dump(self, obj: Any) -> bytes:
        parts = [_head(1, 0, _BYTEA, len(obj), 1)]
        for value in obj:
            parts += (_length(len(value)), value)
        return b"".join(parts)


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = _TEXT_ARRAY

    def dump(self, obj: Any) -> bytes:
        parts = [_head(1, None in obj, _TEXT, len(obj), 1)]
        for value in obj:
            if value is None:
                parts.append(_NULL)
            else:
                text = value.encode()
                parts += (_length(len(text)), text)
        return b"".join(parts)


def _integer(value: int | None) -> bytes:
    return _NULL if value is None else struct.pack(">iq", 8, value)


def register_arrays(connection: Connection[Any]) -> None:
    """Make ``connection`` accept these columns as parameters."""
    connection.adapters.register_dumper(Integers, _IntegersDumper)
    connection.adapters.register_dumper(Blobs, _BlobsDumper)
    connection.adapters.register_dumper(Texts, _TextsDumper)
