"""What ``data_processing`` finds in its parameters before a run."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.actors.step_types.data_processing.step import DataProcessing

FUNCTIONS = {"double": lambda row: row}


def validated(**params: Any) -> list[str]:
    problems = DataProcessing(FUNCTIONS).validate({"input": {"ref": "steps.a.rows"}} | params)
    return [": ".join(problem) for problem in problems]


@pytest.mark.parametrize(
    "params",
    [
        {"operation": "filter", "where": {"ref": "input.where"}},
        {
            "operation": "filter",
            "where": {"all": [{"column": "a", "op": "eq", "value": {"ref": "input.a"}}]},
        },
        {"operation": "filter", "where": {"any": {"ref": "input.where"}}},
        {"operation": "filter", "where": {"column": {"ref": "input.c"}, "op": "is_null"}},
        {"operation": "project", "columns": {"ref": "input.columns"}},
        {"operation": "project", "columns": {"a": "b"}},
        {"operation": "map", "function": "double"},
        {"operation": "sort", "by": ["-a", "b"], "output_format": "csv", "input_size": 3},
        {"operation": "group", "by": ["a"], "aggregate": {"n": {"op": "count"}}},
        {"operation": "group", "by": ["a"], "aggregate": {"ref": "input.a"}},
        {"operation": "group", "by": {"ref": "input.by"}, "aggregate": {"b": {"ref": "input.a"}}},
        {
            "operation": "group",
            "by": [{"ref": "input.k"}],
            "aggregate": {"b": {"op": {"ref": "input.op"}}},
        },
        {"operation": "sum", "column": {"literal": "ref"}},
        {"operation": "join", "right": {"ref": "steps.b.rows"}, "on": ["a"], "how": "left"},
        {"operation": "limit", "count": {"ref": "input.n"}},
        {"operations": [{"operation": "limit", "count": 0}]},
    ],
)
def test_good_parameters_have_no_problem(params: dict[str, Any]) -> None:
    assert validated(**params) == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "operation: nothing: known are filter, group"),
        ({"operation": "fliter"}, "operation: 'fliter': did you mean 'filter'?"),
        ({"operation": {"ref": "input.op"}}, "operation: a reference"),
        ({"operation": "sum"}, "column: nothing: sum needs column"),
        ({"operation": "sum", "column": 3}, "column: 3: write the name of a column"),
        (
            {"operation": "sum", "column": "a", "colum": 3},
            "colum: an unknown field: did you mean 'column'?",
        ),
        ({"operation": "sum", "column": "a", "input": 3}, "input: 3: refer to rows"),
        ({"operation": "sum", "column": "a", "output_format": "xml"}, "output_format: 'xml'"),
        ({"operation": "sum", "column": "a", "output_format": []}, "output_format: a list of 0"),
        ({"operation": "sum", "column": "a", "input_size": -1}, "input_size: -1"),
        ({"operation": "filter", "where": 3}, "where: 3"),
        ({"operation": "filter", "where": {"op": "is_null"}}, "where.column: nothing"),
        (
            {"operation": "filter", "where": {"column": "a", "op": "like", "value": 1}},
            "where.op: 'like'",
        ),
        (
            {"operation": "filter", "where": {"column": "a", "op": "eq"}},
            "where.value: nothing: give a value; use is_null",
        ),
        (
            {"operation": "filter", "where": {"column": "a", "op": "in", "value": 1}},
            "where.value: 1: in takes a list",
        ),
        (
            {"operation": "filter", "where": {"column": "a", "op": "starts_with", "value": 1}},
            "where.value: 1",
        ),
        (
            {"operation": "filter", "where": {"column": "a", "op": "is_null", "value": 1}},
            "where.value: 1: is_null takes none",
        ),
        (
            {"operation": "filter", "where": {"column": "a", "op": "is_null", "vlue": 1}},
            "where.vlue: an unknown field",
        ),
        ({"operation": "filter", "where": {"column": 1, "op": "is_null"}}, "where.column: 1"),
        ({"operation": "filter", "where": {"all": 3}}, "where.all: 3"),
        ({"operation": "filter", "where": {"all": [3]}}, "where.all[0]: 3"),
        ({"operation": "filter", "where": {"not": {"not": 3}}}, "where.not.not: 3"),
        ({"operation": "filter", "where": {"all": [], "any": []}}, "where: 'all' with other keys"),
        ({"operation": "project", "columns": []}, "columns: a list of 0"),
        ({"operation": "project", "columns": {"a": 3}}, "columns.a: 3"),
        ({"operation": "project", "columns": ["a", "a"]}, "columns[1]: 'a': it is used twice"),
        (
            {"operation": "project", "columns": ["a", {"a": "b"}]},
            "columns[1]: 'a': it is used twice",
        ),
        ({"operation": "project", "columns": [3]}, "columns[0]: 3"),
        ({"operation": "project", "columns": [{"a": 3}]}, "columns[0]: 3"),
        (
            {"operation": "map", "function": "duble"},
            "function: 'duble', which is not registered: did you mean 'double'?",
        ),
        ({"operation": "sort", "by": "a"}, "by: 'a': write a list of columns"),
        ({"operation": "group", "by": ["a"], "aggregate": 3}, "aggregate: 3"),
        ({"operation": "group", "by": ["a"], "aggregate": {"b": 3}}, "aggregate.b: 3"),
        (
            {"operation": "group", "by": ["a"], "aggregate": {"a": {"op": "count"}}},
            "aggregate.a: the name of a column in by",
        ),
        (
            {"operation": "group", "by": [], "aggregate": {"b": {"op": "median", "column": "c"}}},
            "aggregate.b.op: 'median'",
        ),
        (
            {"operation": "group", "by": [], "aggregate": {"b": {"op": "sum"}}},
            "aggregate.b.column: nothing",
        ),
        (
            {"operation": "group", "by": [], "aggregate": {"b": {"op": "count", "column": "c"}}},
            "aggregate.b.column: 'c'",
        ),
        (
            {"operation": "group", "by": [], "aggregate": {"b": {"op": "count", "of": "c"}}},
            "aggregate.b.of: an unknown",
        ),
        ({"operation": "join", "right": 3, "on": ["a"]}, "right: 3"),
        ({"operation": "join", "right": [], "on": []}, "on: no column"),
        ({"operation": "join", "right": [], "on": {}}, "on: no column"),
        ({"operation": "join", "right": [], "on": {"a": 3}}, "on.a: 3"),
        ({"operation": "join", "right": [], "on": "a"}, "on: 'a'"),
        (
            {"operation": "join", "right": [], "on": ["a"], "how": "outer"},
            "how: 'outer': write inner or left",
        ),
        ({"operation": "join", "right": [], "on": ["a"], "how": []}, "how: a list of 0"),
        ({"operation": "join", "right": [], "on": ["a"], "suffix": ""}, "suffix: ''"),
        ({"operation": "join", "right": [], "on": ["a"], "columns": "a"}, "columns: 'a'"),
        ({"operation": "group", "by": 3}, "by: 3: write a list of columns"),
        ({"operation": "limit", "count": -1}, "count: -1"),
        ({"operation": "limit", "count": True}, "count: True"),
        ({"operations": 3}, "operations: 3"),
        ({"operations": [3]}, "operations[0]: 3"),
        ({"operations": [{"operation": "sum"}]}, "operations[0].column: nothing"),
        ({"operations": [], "operation": "sum"}, "operation: a field beside operations"),
        ({"operations": [], "column": "a"}, "column: a field beside operations"),
    ],
)
def test_each_problem_is_named_with_its_place(params: dict[str, Any], expected: str) -> None:
    [found] = validated(**params)
    assert found.startswith(expected)
