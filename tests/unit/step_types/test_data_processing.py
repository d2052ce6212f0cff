"""``data_processing``: each operation, its checks before and at a run, and its forms of output."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from indelible.actors.step_types.data_processing.step import DataProcessing
from indelible.errors import StepDataError
from indelible.events.codec.values import decode_value

ROWS = [
    {"k": "a", "n": 3, "x": 0.5},
    {"k": "b", "n": None, "x": 1.5},
    {"k": "a", "n": 1, "x": None},
]
FUNCTIONS = {
    "double": lambda row: row | {"n": 2 * row["n"]},
    "broken": lambda row: row["nothing"],
    "odd": lambda row: [row],
}


def run(rows: Any, **params: Any) -> dict[str, Any]:
    step = {"name": "s", "params": {"input": rows} | params}
    return DataProcessing(FUNCTIONS).run(None, step)


def data(rows: Any, operation: str, **fields: Any) -> Any:
    return run(rows, operation=operation, **fields)["data"]


def kept(where: Any, rows: Any = ROWS) -> list[int]:
    return [rows.index(row) for row in data(rows, "filter", where=where)]


# -- input and output


def test_the_result_counts_the_rows_that_came_in() -> None:
    assert run(ROWS, operation="limit", count=1) == {
        "processed_records": 3,
        "output_format": "json",
        "data": ROWS[:1],
    }


def test_operations_are_done_in_order() -> None:
    operations = [
        {"operation": "filter", "where": {"column": "n", "op": "not_null"}},
        {"operation": "sort", "by": ["n"]},
        {"operation": "project", "columns": ["n"]},
    ]
    assert run(ROWS, operations=operations)["data"] == [{"n": 1}, {"n": 3}]
    assert run(ROWS, operations=[])["data"] == ROWS


def test_several_inputs_stand_one_behind_the_other() -> None:
    assert run([ROWS[:1], [], ROWS[1:]], operations=[])["data"] == ROWS
    assert run([], operations=[])["data"] == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"rows": [], "rows_returned": 0}, "refer to its 'rows'"),
        ({"data": []}, "refer to its 'data'"),
        ({"x": 1}, "give a list of mappings"),
        ([{"a": 1}, 3], r"input\[1\] is 3"),
        ([[3]], r"input\[0\] is 3"),
        ("rows", "input is 'rows'"),
        (None, "input is nothing"),
    ],
)
def test_what_is_no_list_of_rows_is_an_error(rows: Any, words: str) -> None:
    with pytest.raises(StepDataError, match=words):
        run(rows, operations=[])


def test_the_size_of_the_input_is_a_checked_expectation() -> None:
    assert run(ROWS, operations=[], input_size=3)["processed_records"] == 3
    with pytest.raises(StepDataError, match="3 input rows where at least 4"):
        run(ROWS, operations=[], input_size={"min": 4})


def test_csv_has_every_column_and_quotes_what_needs_it() -> None:
    rows = [
        {"a": 1, "b": 'x,"y'},
        {"b": None, "c": True, "d": Decimal("1.0")},
        {"e": date(2013, 1, 2)},
    ]
    assert run(rows, operations=[], output_format="csv")["data"] == (
        'a,b,c,d,e\n1,"x,""y",,,\n,,true,1.0,\n,,,,2013-01-02\n'
    )
    assert run([], operations=[], output_format="csv")["data"] == ""
    with pytest.raises(StepDataError, match="no form in CSV"):
        run([{"a": [1]}], operations=[], output_format="csv")


def test_msgpack_keeps_every_type() -> None:
    rows = [{"a": datetime(2013, 1, 2, tzinfo=UTC), "b": Decimal("1.10"), "c": b"\x00"}]
    assert decode_value(run(rows, operations=[], output_format="msgpack")["data"]) == rows


def test_a_column_that_a_row_lacks_is_none_and_one_that_all_lack_is_an_error() -> None:
    rows = [{"a": 1}, {"b": 2}]
    assert data(rows, "project", columns=["a", "b"]) == [{"a": 1, "b": None}, {"a": None, "b": 2}]
    with pytest.raises(StepDataError, match="no column 'c'; the columns are a, b"):
        data(rows, "sum", column="c")
    assert data([], "project", columns=["c"]) == []


# -- filter


@pytest.mark.parametrize(
    ("op", "value", "rows"),
    [
        ("eq", 3, [0]),
        ("ne", 3, [2]),
        ("lt", 3, [2]),
        ("le", 3, [0, 2]),
        ("gt", 1, [0]),
        ("ge", 1, [0, 2]),
        ("in", [1, 2], [2]),
        ("in", [1, None], [2]),
        ("in", [], []),
        ("not_in", [1, 2], [0]),
        ("not_in", [1, None], []),
        ("not_in", [], [0, 1, 2]),
    ],
)
def test_a_comparison_with_none_is_unknown(op: str, value: Any, rows: list[int]) -> None:
    assert kept({"column": "n", "op": op, "value": value}) == rows


def test_missing_values_are_asked_for_by_name() -> None:
    assert kept({"column": "n", "op": "is_null"}) == [1]
    assert kept({"column": "n", "op": "not_null"}) == [0, 2]


def test_text_and_lists_are_searched() -> None:
    rows = [{"t": "apple"}, {"t": "pear"}, {"t": None}]
    assert kept({"column": "t", "op": "contains", "value": "ea"}, rows) == [1]
    assert kept({"column": "t", "op": "starts_with", "value": "a"}, rows) == [0]
    assert kept({"column": "t", "op": "contains", "value": 2}, [{"t": [1, 2]}, {"t": [3]}]) == [0]


def test_predicates_are_joined_with_three_values() -> None:
    null = {"column": "n", "op": "gt", "value": 0}
    is_a = {"column": "k", "op": "eq", "value": "a"}
    assert kept({"not": null}) == []
    assert kept({"not": is_a}) == [1]
    assert kept({"all": [null, is_a]}) == [0, 2]
    assert kept({"any": [null, {"not": is_a}]}) == [0, 1, 2]
    assert kept({"not": {"all": [null, is_a]}}) == [1]
    assert kept({"all": []}) == [0, 1, 2]
    assert kept({"any": []}) == []


@pytest.mark.parametrize(
    ("op", "value"), [("lt", "x"), ("contains", "x"), ("starts_with", "x"), ("gt", [1])]
)
def test_values_that_do_not_compare_are_an_error(op: str, value: Any) -> None:
    with pytest.raises(StepDataError, match="column 'n' holds 3, which is not"):
        kept({"column": "n", "op": op, "value": value})


# -- the others


def test_projecting_renames_and_orders_columns() -> None:
    assert data(ROWS[:1], "project", columns={"key": "k"}) == [{"key": "a"}]
    [row] = data(ROWS[:1], "project", columns=["x", {"key": "k"}])
    assert list(row.items()) == [("x", 0.5), ("key", "a")]


def test_map_calls_a_named_function() -> None:
    assert data([{"n": 2}], "map", function="double") == [{"n": 4}]
    with pytest.raises(KeyError) as caught:
        data([{"n": 2}], "map", function="broken")
    assert caught.value.__notes__ == ["in function 'broken', for row 0 of step 's'"]
    with pytest.raises(StepDataError, match="returned a list of 1 for row 0"):
        data([{"n": 2}], "map", function="odd")


def test_a_function_that_is_added_later_counts_too() -> None:
    functions: dict[str, Any] = {}
    step_type = DataProcessing(functions)
    params = {"input": [{"n": 1}], "operation": "map", "function": "late"}
    assert [problem.path for problem in step_type.validate(params)] == ["function"]
    functions["late"] = lambda row: {"m": row["n"]}
    assert list(step_type.validate(params)) == []
    assert step_type.run(None, {"name": "s", "params": params})["data"] == [{"m": 1}]


def test_sorting_is_stable_and_puts_none_last_both_ways() -> None:
    def order(*by: str) -> list[int]:
        return [ROWS.index(row) for row in data(ROWS, "sort", by=list(by))]

    assert order("n") == [2, 0, 1]
    assert order("-n") == [0, 2, 1]
    assert order("k") == [0, 2, 1]
    assert order("-k", "n") == [1, 2, 0]
    assert order() == [0, 1, 2]
    with pytest.raises(StepDataError, match="do not compare"):
        data([{"a": 1}, {"a": "x"}], "sort", by=["a"])


def test_grouping_aggregates_what_is_there() -> None:
    aggregate = {
        "rows": {"op": "count"},
        "known": {"op": "count_not_null", "column": "n"},
        "total": {"op": "sum", "column": "n"},
        "mean": {"op": "mean", "column": "x"},
        "least": {"op": "min", "column": "n"},
        "most": {"op": "max", "column": "n"},
    }
    assert data(ROWS, "group", by=["k"], aggregate=aggregate) == [
        {"k": "a", "rows": 2, "known": 2, "total": 4, "mean": 0.5, "least": 1, "most": 3},
        {"k": "b", "rows": 1, "known": 0, "total": None, "mean": 1.5, "least": None, "most": None},
    ]
    assert data([], "group", by=[], aggregate={"rows": {"op": "count"}}) == [{"rows": 0}]
    assert data([], "group", by=["k"]) == []
    with pytest.raises(StepDataError, match="holds a list or mapping"):
        data([{"k": []}], "group", by=["k"])


def test_sums_do_not_depend_on_the_order() -> None:
    values = [1e16, 1.0, -1e16, 3, None]
    for turned in (values, values[::-1], values[2:] + values[:2]):
        assert data([{"x": value} for value in turned], "sum", column="x") == [{"x": 4.0}]


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([], None),
        ([None], None),
        ([1, 2**62, 2**62], 2**63 + 1),
        ([Decimal("0.1"), Decimal("0.2"), 1], Decimal("1.3")),
        ([math.inf, 1], math.inf),
        ([1e308, 1e308], math.inf),
    ],
)
def test_sums_are_exact_where_their_values_are(values: list[Any], total: Any) -> None:
    assert data([{"x": value} for value in values], "sum", column="x") == [{"x": total}]


@pytest.mark.parametrize("values", [["NA", 1], [True], [Decimal(1), 0.5], ["x"], [[1]]])
def test_what_does_not_add_up_is_an_error(values: list[Any]) -> None:
    with pytest.raises(StepDataError, match="sum of column 'x'"):
        data([{"x": value} for value in values], "sum", column="x")
    with pytest.raises(StepDataError, match="max of column 'x'"):
        data([{"x": 1}, {"x": "a"}], "group", by=[], aggregate={"m": {"op": "max", "column": "x"}})


LEFT = [{"id": 1, "n": "x"}, {"id": 2, "n": "y"}, {"id": None, "n": "z"}]
RIGHT = [
    {"id": 1, "n": "one", "m": 5},
    {"id": 1, "n": "uno", "m": 6},
    {"id": None, "n": "?", "m": 7},
]


def test_an_inner_join_keeps_matches_only() -> None:
    assert data(LEFT, "join", right=RIGHT, on=["id"]) == [
        {"id": 1, "n": "x", "n_right": "one", "m": 5},
        {"id": 1, "n": "x", "n_right": "uno", "m": 6},
    ]


def test_a_left_join_keeps_every_row_of_the_left_side() -> None:
    found = data(LEFT, "join", right=RIGHT, on=["id"], how="left", columns=["m"], suffix="2")
    assert found[1:] == [
        {"id": 1, "n": "x", "m": 6},
        {"id": 2, "n": "y", "m": None},
        {"id": None, "n": "z", "m": None},
    ]
    assert data(LEFT[:1], "join", right=[], on=["id"], how="left", columns=["m"]) == [
        {"id": 1, "n": "x", "m": None}
    ]


def test_keys_of_a_join_may_have_two_names() -> None:
    right = [{"code": 2, "id": "B"}]
    assert data(LEFT, "join", right=right, on={"id": "code"}) == [
        {"id": 2, "n": "y", "id_right": "B"}
    ]


def test_a_join_that_cannot_work_says_why() -> None:
    with pytest.raises(StepDataError, match="no column 'code'"):
        data(LEFT, "join", right=RIGHT, on={"id": "code"})
    with pytest.raises(StepDataError, match="no column 'key'"):
        data(LEFT, "join", right=RIGHT, on={"key": "id"})
    with pytest.raises(StepDataError, match="right is a mapping"):
        data(LEFT, "join", right={"rows": []}, on=["id"])
    with pytest.raises(StepDataError, match="two columns would be named 'n_right'"):
        data([{"id": 1, "n": 1, "n_right": 2}], "join", right=RIGHT, on=["id"])
    with pytest.raises(StepDataError, match="join on columns of plain values"):
        data([{"id": []}], "join", right=RIGHT, on=["id"])


def test_what_a_reference_brings_is_checked_when_it_is_there() -> None:
    with pytest.raises(StepDataError, match="count is 'many'; write a whole number"):
        data(ROWS, "limit", count="many")
