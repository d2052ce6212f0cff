"""Values in ``data_processing``: which are equal, which come first, and what they add up to."""

from __future__ import annotations

import csv
import decimal
import io
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.actors.step_types.data_processing.arithmetic import MAX_DIGITS
from indelible.actors.step_types.data_processing.step import DataProcessing
from indelible.errors import StepDataError

NAN = math.nan
TRUTHS = (True, False)
TOKYO = timezone(timedelta(hours=9))

numbers = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.decimals(allow_nan=True)
    | st.sampled_from([Decimal("sNaN"), Decimal("-NaN"), 0.1, Decimal("0.1"), 1, 1.0, Decimal(1)])
)


def done(rows: Any, operation: str, **fields: Any) -> Any:
    step = {"name": "s", "params": {"input": rows, "operation": operation, **fields}}
    return DataProcessing().run(None, step)["data"]


def column(*values: Any) -> list[dict[str, Any]]:
    return [{"n": value} for value in values]


def shown(rows: list[dict[str, Any]], name: str = "n") -> list[str]:
    """Values with their types, in a form in which NaN equals NaN."""
    return [repr(row[name]) for row in rows]


AGGREGATE = {
    "lo": {"op": "min", "column": "n"},
    "hi": {"op": "max", "column": "n"},
    "all": {"op": "sum", "column": "n"},
    "c": {"op": "count"},
}


# -- NaN


@pytest.mark.parametrize("nan", [NAN, Decimal("NaN"), Decimal("sNaN")])
def test_nan_comes_behind_all_other_numbers(nan: Any) -> None:
    kind = type(nan)
    some = [kind(3), nan, kind(1), None, kind("inf"), nan, kind("-inf")]
    rising = [*map(kind, ("-inf", 1, 3, "inf")), nan, nan, None]
    assert shown(done(column(*some), "sort", by=["n"])) == [repr(value) for value in rising]
    falling = [nan, nan, *map(kind, ("inf", 3, 1, "-inf")), None]
    assert shown(done(column(*some), "sort", by=["-n"])) == [repr(value) for value in falling]


@pytest.mark.parametrize("nan", [NAN, Decimal("NaN"), Decimal("sNaN")])
def test_least_and_greatest_do_not_depend_on_the_order_of_rows(nan: Any) -> None:
    for values in permutations([nan, type(nan)(1), type(nan)(2)]):
        [row] = done(column(*values), "group", by=[], aggregate=AGGREGATE)
        assert (repr(row["lo"]), repr(row["hi"])) == (repr(type(nan)(1)), repr(nan))
        assert row["all"].is_nan() if isinstance(nan, Decimal) else math.isnan(row["all"])


def test_all_nan_are_one_group_and_one_key() -> None:
    nans = [float("nan"), NAN, Decimal("NaN"), Decimal("sNaN123")]
    rows = done(column(*nans, 1), "group", by=["n"], aggregate={"c": {"op": "count"}})
    assert [row["c"] for row in rows] == [4, 1]
    right = [{"n": float("nan"), "m": "right"}, {"n": 2, "m": "wrong"}]
    assert [row["m"] for row in done(column(NAN), "join", right=right, on=["n"])] == ["right"]


@pytest.mark.parametrize(
    ("op", "value", "count"),
    [
        ("eq", NAN, 3),
        ("ne", NAN, 3),
        ("gt", 5, 4),
        ("ge", NAN, 3),
        ("lt", NAN, 3),
        ("gt", math.inf, 3),
        ("in", [NAN], 3),
        ("not_in", [NAN, 1], 2),
        ("in", [Decimal("NaN"), 1], 4),
    ],
)
def test_filters_take_nan_for_the_greatest_number(op: str, value: Any, count: int) -> None:
    rows = column(NAN, Decimal("NaN"), Decimal("sNaN"), 1, 2.5, math.inf, None)
    where = {"column": "n", "op": op, "value": value}
    assert len(done(rows, "filter", where=where)) == count


# -- equality


def test_numbers_of_all_types_are_equal_by_value_and_truth_is_no_number() -> None:
    values = [1, 1.0, Decimal("1.00"), True, "1", b"1", 0, False, -0.0, 0.1, Decimal("0.1")]
    rows = done(column(*values), "group", by=["n"], aggregate={"c": {"op": "count"}})
    assert [(row["n"], row["c"]) for row in rows] == [
        (1, 3), (True, 1), ("1", 1), (b"1", 1), (0, 2), (False, 1), (0.1, 2)
    ]  # fmt: skip
    assert type(rows[1]["n"]) is bool


def test_joins_have_the_same_keys_as_groups() -> None:
    left = column(*[1, True, "1", 0.1, None])
    right = [{"n": Decimal(1), "m": 1}, {"n": False, "m": 2}, {"n": Decimal("0.1"), "m": 3}]
    found = done(left, "join", right=[*right, {"n": None, "m": 4}], on=["n"])
    assert [(row["n"], row["m"]) for row in found] == [(1, 1), (0.1, 3)]
    truths = done(column(*TRUTHS), "join", right=right, on=["n"])
    assert [(row["n"], row["m"]) for row in truths] == [(False, 2)]


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        ("eq", 1, [1, 1.0, Decimal(1)]),
        ("eq", True, [True]),
        ("in", [1], [1, 1.0, Decimal(1)]),
        ("in", [False, "x"], ["x"]),
        ("eq", [1, True], [[1.0, True]]),
        ("eq", [1, 1], []),
    ],
)
def test_filters_have_the_same_equality(op: str, value: Any, expected: list[Any]) -> None:
    rows = column(*[1, 1.0, Decimal(1), True, "x", [1.0, True]])
    found = done(rows, "filter", where={"column": "n", "op": op, "value": value})
    assert [row["n"] for row in found] == expected
    assert [type(row["n"]) for row in found] == [type(value) for value in expected]


def test_a_member_of_a_list_is_found_by_the_same_equality() -> None:
    rows = column([1, 2], [True], [NAN])
    for value, count in ((1, 1), (True, 1), (NAN, 1), (Decimal(2), 1)):
        where = {"column": "n", "op": "contains", "value": value}
        assert len(done(rows, "filter", where=where)) == count


def test_instants_are_equal_across_time_zones() -> None:
    here, there = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 9, tzinfo=TOKYO)
    rows = column(there, here, here + timedelta(1))
    groups = done(rows, "group", by=["n"], aggregate={"c": {"op": "count"}})
    assert [row["c"] for row in groups] == [2, 1]
    assert len(done(rows, "join", right=column(here), on=["n"])) == 2
    later = done(rows, "filter", where={"column": "n", "op": "gt", "value": there})
    assert [row["n"].day for row in later] == [2]
    assert done(rows, "sort", by=["-n"])[0]["n"] == here + timedelta(1)


MIXED = [
    [1, "a"], [1, True], [1.5, False], [date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)],
    ["a", b"a"], [Decimal(1), "1"], [1, [1]],
]  # fmt: skip


@pytest.mark.parametrize("values", MIXED)
def test_values_of_two_types_have_no_order(values: list[Any]) -> None:
    rows = column(*values, None)
    with pytest.raises(StepDataError, match="holds values that do not compare"):
        done(rows, "sort", by=["n"])
    for op in ("min", "max"):
        with pytest.raises(StepDataError, match=f"{op} of column 'n'"):
            done(rows, "group", by=[], aggregate={"x": {"op": op, "column": "n"}})
    with pytest.raises(StepDataError, match="which is not lt"):
        done(rows, "filter", where={"column": "n", "op": "lt", "value": values[0]})


@given(st.lists(numbers, max_size=12))
@settings(max_examples=50)
def test_sorting_grouping_and_filtering_agree(values: list[Any]) -> None:
    rows = done([{"n": value, "i": i} for i, value in enumerate(values)], "sort", by=["n"])
    groups = done(rows, "group", by=["n"], aggregate={"c": {"op": "count"}})
    passed = 0
    for group in groups:
        where = {"column": "n", "op": "eq", "value": group["n"]}
        same = done(rows, "filter", where=where)
        assert len(same) == group["c"]
        assert [row["i"] for row in same] == sorted(row["i"] for row in same)  # stable
        before = done(rows, "filter", where={**where, "op": "lt"})
        assert len(before) == passed
        passed += group["c"]
    assert passed == len(values)
    if values:
        [ends] = done(rows, "group", by=[], aggregate={k: AGGREGATE[k] for k in ("lo", "hi")})
        for end, name in ((groups[0]["n"], "lo"), (groups[-1]["n"], "hi")):
            where = {"column": "n", "op": "eq", "value": end}
            assert len(done(column(ends[name]), "filter", where=where)) == 1


# -- sums and means


@given(
    st.lists(
        st.decimals("-1e30", "1e30", allow_nan=False, places=12) | st.integers(-(2**63), 2**63 - 1),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=50)
def test_sums_of_decimals_are_exact_whatever_the_thread_has_set(values: list[Any]) -> None:
    strict = decimal.Context(prec=3, traps=[decimal.Inexact, decimal.FloatOperation])
    with decimal.localcontext(strict) as context:
        [row] = done(column(*values), "sum", column="n")
        assert decimal.getcontext() is context
        assert not any(context.flags.values())
    assert Fraction(row["n"]) == sum(map(Fraction, values))


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([Decimal("1234.56"), Decimal("0.01")], "617.285"),
        ([Decimal(1), Decimal(1), Decimal(2)], "1.333333333333333333333333333"),
        ([1, Decimal("0.5")], "0.75"),
        ([Decimal("1e27"), Decimal("1e-12")], "500000000000000000000000000.0000000000005"),
    ],
)
def test_a_mean_of_decimals_has_28_digits_or_more(values: list[Any], mean: str) -> None:
    with decimal.localcontext(prec=3):
        aggregate = {"m": {"op": "mean", "column": "n"}}
        [row] = done(column(*values), "group", by=[], aggregate=aggregate)
    assert row == {"m": Decimal(mean)}


def test_a_sum_with_too_many_digits_is_refused() -> None:
    values = [Decimal(f"1e{MAX_DIGITS}"), Decimal(1)]
    with pytest.raises(StepDataError, match="the sum would have 10,002 digits, more than 10,000"):
        done(column(*values), "sum", column="n")
    [row] = done(column(Decimal("1e999999"), Decimal("2e999999")), "sum", column="n")
    assert row["n"] == Decimal("3e999999")


@pytest.mark.parametrize("kind", [float, Decimal])
def test_infinities_add_up(kind: Callable[[str], Any]) -> None:
    [row] = done(column(kind("inf"), kind("1")), "sum", column="n")
    assert row["n"] == kind("inf")
    [row] = done(column(kind("inf"), kind("-inf")), "sum", column="n")
    assert row["n"] != row["n"]


# -- shapes


def test_a_lone_carriage_return_is_quoted_in_csv() -> None:
    rows = [{"a": "x\ry", "b": "2"}, {"a": "\r\n", "b": "\n"}, {"a": "end\r\n", "b": "\r"}]
    text = done(rows, "limit", count=9, output_format="csv")
    assert text == 'a,b\n"x\ry",2\n"\r\n","\n"\n"end\r\n","\r"\n'
    assert list(csv.DictReader(io.StringIO(text, newline=""))) == rows


COUNTED = {"operation": "group", "by": ["b"], "aggregate": {"n": {"op": "count"}}}
RENAMED = {"operation": "project", "columns": ["b", {"c": "a"}]}
ONLY_B = {"operation": "project", "columns": ["b"]}
NONE_LEFT = {"operation": "filter", "where": {"column": "a", "op": "eq", "value": 9}}


@pytest.mark.parametrize(
    ("operations", "header"),
    [
        ([NONE_LEFT], "a,b\n"),
        ([RENAMED, {"operation": "limit", "count": 0}], "b,c\n"),
        ([NONE_LEFT, ONLY_B, {"operation": "sort", "by": ["b"]}], "b\n"),
        ([NONE_LEFT, COUNTED], "b,n\n"),
        ([NONE_LEFT, {"operation": "join", "right": [{"a": 1, "c": 2}], "on": ["a"]}], "a,b,c\n"),
    ],
)
def test_no_rows_keep_their_header(operations: list[dict[str, Any]], header: str) -> None:
    params = {"input": [{"a": 1, "b": 2}], "operations": operations, "output_format": "csv"}
    assert DataProcessing().run(None, {"params": params})["data"] == header
    wrong = [*operations, {"operation": "sort", "by": ["zz"]}]
    with pytest.raises(StepDataError, match="no column 'zz'"):
        DataProcessing().run(None, {"params": {**params, "operations": wrong}})


def test_a_projection_of_no_input_has_a_header() -> None:
    assert done([], "project", columns=["x", "y"], output_format="csv") == "x,y\n"


@pytest.mark.parametrize("how", ["inner", "left"])
def test_a_join_that_multiplies_rows_stops_before_they_fill_the_memory(how: str) -> None:
    rows = [{"k": 1, f"column_{i:0400}": None} for i in (1, 2) for _ in range(500)]
    with pytest.raises(StepDataError, match="too many for one result of 64 MiB; join on more"):
        done(rows, "join", right=rows, on=["k"], how=how)
