"""The codec of values for all values: what comes out equals what went in, types included."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.errors import PayloadTooLargeError, ValueDecodeError, ValueNotStorableError
from indelible.events.codec.storable_check import _Fitting, unchanged
from indelible.events.codec.values import VALUE_LIMIT, decode_value, encode_value

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda n: dt.timezone(dt.timedelta(minutes=n)))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary()
    | st.datetimes(timezones=OFFSETS)
    | st.dates()
    | st.decimals(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30
)
ODD = st.tuples(st.integers()) | st.sets(st.integers()) | st.complex_numbers() | st.just("\ud800")
MIXED = st.recursive(
    SCALARS | ODD | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT | st.integers(), inner),
    max_leaves=20,
)


def typed(value: Any) -> Any:
    """The value with all types visible, so that 1 differs from True and -0.0 from 0."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, dict):
        return [(key, typed(item)) for key, item in value.items()]
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return type(value), repr(value)


@given(VALUES)
def test_what_comes_out_is_what_went_in(value: Any) -> None:
    data = encode_value(value)
    assert typed(decode_value(data)) == typed(value)
    assert encode_value(decode_value(data)) == data


@given(MIXED)
def test_a_value_is_stored_exactly_or_refused(value: Any) -> None:
    data, refusal = b"", None
    try:
        data = encode_value(value)
    except ValueNotStorableError as error:
        refusal = error
    if refusal is None:
        assert typed(decode_value(data)) == typed(value)
    else:
        assert refusal.path.startswith("$")
        assert "changed meanwhile" not in refusal.found


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_error_of_ours(data: bytes) -> None:
    with suppress(ValueDecodeError, PayloadTooLargeError):
        decode_value(data)


@given(VALUES)
def test_the_size_is_known_before_anything_is_encoded(value: Any) -> None:
    fitting = _Fitting(VALUE_LIMIT, unchanged)
    plain, _ = fitting.visit(value)
    assert typed(plain) == typed(value)
    assert fitting.size == len(encode_value(value))


def in_decimal(length: int) -> Decimal:
    return Decimal("1" * max(1, length))


def in_dict(length: int) -> dict[str, Any]:
    return {f"{index:x}": index * 1_000_003 % 2**63 - 2**31 for index in range(min(length, 3_000))}


@pytest.mark.parametrize("length", [0, 15, 16, 31, 32, 255, 256, 2**16 - 1, 2**16])
@pytest.mark.parametrize("make", ["x".__mul__, b"x".__mul__, [None].__mul__, in_decimal, in_dict])
def test_so_it_is_at_every_length_where_the_head_grows(make: Any, length: int) -> None:
    fitting = _Fitting(VALUE_LIMIT, unchanged)
    fitting.visit(make(length))
    assert fitting.size == len(encode_value(make(length)))
