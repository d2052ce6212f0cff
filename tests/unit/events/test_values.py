"""User values: exactly what was put in comes out, or an error that says where and why."""

from __future__ import annotations

import datetime as dt
import enum
from collections import OrderedDict
from decimal import Decimal
from typing import Any

import msgpack
import pytest

from indelible.errors import PayloadTooLargeError, ValueDecodeError, ValueNotStorableError
from indelible.events.codec import values
from indelible.events.codec.storable_check import DEPTH_LIMIT
from indelible.events.codec.values import decode_value, encode_value

BERLIN = dt.timezone(dt.timedelta(hours=2, minutes=30))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -(2**63),
        2**63 - 1,
        2**32,
        1.5,
        float("inf"),
        "",
        "é\0",
        b"",
        b"\xff",
        [],
        {},
        [[], {}, [None]],
        {"b": 1, "a": {"": [1]}},
        dt.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 29, tzinfo=BERLIN),
        dt.date(1, 1, 1),
        Decimal("1.20"),
        Decimal("-Infinity"),
    ],
    ids=repr,
)
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    decoded = decode_value(encode_value(value))
    assert decoded == value
    assert type(decoded) is type(value)


def test_a_time_keeps_its_offset_and_a_decimal_its_digits() -> None:
    at = dt.datetime(2024, 2, 29, tzinfo=BERLIN)
    assert decode_value(encode_value(at)).utcoffset() == at.utcoffset()
    assert str(decode_value(encode_value(Decimal("1.20")))) == "1.20"


def test_a_dict_keeps_its_order() -> None:
    assert list(decode_value(encode_value({"b": 1, "a": 2}))) == ["b", "a"]


def test_every_decoding_is_a_fresh_copy() -> None:
    data = encode_value([[1]])
    decode_value(data)[0].append(2)
    assert decode_value(data) == [[1]]


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ((1, 2), "$", "a tuple"),
        ({"rows": [0, 1, 2, {"x": {1}}]}, "$.rows[3].x", "a set"),
        ({1: "x"}, "$[1]", "an int as a key"),
        ({b"k": "x"}, "$[b'k']", "a bytes as a key"),
        ({None: "x"}, "$[None]", "a NoneType as a key"),
        ([{"a": {"b c": 1j}}], "$[0].a['b c']", "a complex"),
        (2**63, "$", "an int beyond 64 bits"),
        ([1, -(2**63) - 1], "$[1]", "an int beyond 64 bits"),
        ([1.5, 2**64], "$[1]", "an int beyond 64 bits"),
        (dt.datetime(2024, 1, 1), "$", "a datetime without a time zone"),  # noqa: DTZ001
        ([dt.time(1, 2)], "$[0]", "a datetime.time"),
        ("half \ud800", "$", "a str with half a surrogate pair"),
        ({"half \ud800": 1}, "$['half \\ud800']", "a key with half a surrogate pair"),
        (bytearray(b"x"), "$", "a bytearray"),
        (memoryview(b"x"), "$", "a memoryview"),
        (Colour.RED, "$", "a tests.unit.events.test_values.Colour"),
        ([Text("x")], "$[0]", "a tests.unit.events.test_values.Text"),
        ({Text("x"): 1}, "$['x']", "a tests.unit.events.test_values.Text as a key"),
        (OrderedDict(a=1), "$", "a collections.OrderedDict"),
        (msgpack.ExtType(5, b"x"), "$", "a msgpack.ext.ExtType"),
        (msgpack.Timestamp(1), "$", "a msgpack.ext.Timestamp"),
        (object, "$", "a type"),
    ],
)
def test_anything_else_is_refused_with_its_path(value: Any, path: str, found: str) -> None:
    with pytest.raises(ValueNotStorableError) as caught:
        encode_value(value)
    assert caught.value.path == path
    assert caught.value.found.rpartition(".")[2] == found.rpartition(".")[2]


def nested(levels: int) -> Any:
    value: Any = None
    for level in range(levels):
        value = [value] if level % 2 else {"x": value}
    return value


def test_depth_is_limited() -> None:
    assert decode_value(encode_value(nested(DEPTH_LIMIT))) == nested(DEPTH_LIMIT)
    with pytest.raises(ValueNotStorableError, match="nested deeper than 100"):
        encode_value(nested(DEPTH_LIMIT + 1))


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueNotStorableError, match=r"\$\[0\] is a list that contains itself"):
        encode_value(value)


def test_a_value_that_doubles_itself_is_refused_before_it_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(values, "VALUE_LIMIT", 10_000)
    value: list[Any] = []
    for _ in range(60):  # 2^60 elements if written out
        value = [value, value]
    with pytest.raises(PayloadTooLargeError):
        encode_value(value)


def test_size_is_limited_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_value(b"x" * 1_000)
    monkeypatch.setattr(values, "VALUE_LIMIT", 1_000)
    with pytest.raises(PayloadTooLargeError) as caught:
        encode_value(b"x" * 1_000)
    assert (caught.value.size, caught.value.limit) == (1_003, 1_000)
    with pytest.raises(PayloadTooLargeError):
        decode_value(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x02",
        b"\xdd\xff\xff\xff\xff",
        b"\xa1\xff",
        b"\x81\x01\x02",
        b"\xd4\x05x",
        b"\xd4\x01x",
        b"\xd4\x02x",
        b"\xd4\x03x",
        b"\xc7\x0c\xff" + bytes(4) + b"\x7f" + b"\xff" * 7,
        b"\x91" * 2_000 + b"\xc0",
        b"\x91" * 70_000 + b"\xc0",
        b"\x90" * 70_000,
    ],
    ids=lambda data: data[:6].hex(),
)
def test_damaged_bytes_are_an_error_of_their_own(data: bytes) -> None:
    with pytest.raises(ValueDecodeError):
        decode_value(data)


def test_msgpack_s_own_time_stamp_is_a_datetime() -> None:
    assert decode_value(msgpack.packb(msgpack.Timestamp(0))) == dt.datetime(
        1970, 1, 1, tzinfo=dt.UTC
    )
