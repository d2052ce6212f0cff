"""What ``database_query`` finds in its parameters before a run."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.actors.step_types.connections import Connections
from indelible.actors.step_types.database_query import DatabaseQuery
from indelible.errors import Problem


def validated(**params: Any) -> list[str]:
    query = DatabaseQuery(Connections({"default": "sqlite://"}))
    return [": ".join(problem) for problem in query.validate(params)]


@pytest.mark.parametrize(
    "params",
    [
        {"query": "SELECT :a", "parameters": {"a": 1}},
        {"query": "SELECT :a", "parameters": {"a": {"ref": "input.a"}}},
        {"query": "SELECT :a", "parameters": {"ref": "input"}},
        {"query": "INSERT INTO t VALUES (:a)", "rows": {"ref": "steps.x.rows"}},
        {
            "query": "SELECT ':y', a::text, '12:30', \\:b, :x::int",
            "expected_rows": {"min": {"ref": "input.n"}},
            "parameters": {"x": 1},
        },
        {"statements": [{"query": "SELECT 1", "expected_rows": 1}]},
        {"query": "SELECT 1", "connection": {"ref": "input.name"}},
    ],
)
def test_good_parameters_have_no_problem(params: dict[str, Any]) -> None:
    assert validated(**params) == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "query: nothing"),
        ({"query": ""}, "query: ''"),
        ({"query": {"ref": "input.sql"}}, "query: a reference: write the SQL itself"),
        ({"query": "SELECT 1", "querry": 1}, "querry: an unknown parameter: did you mean 'query'?"),
        (
            {"query": "SELECT 1", "connection": "defalt"},
            "connection: 'defalt', which is not declared: did you mean",
        ),
        ({"query": "SELECT 1", "connection": 3}, "connection: 3"),
        ({"query": "SELECT :a"}, "parameters.a: nothing"),
        (
            {"query": "SELECT 1", "parameters": {"a": 1}},
            "parameters.a: an unused parameter: the query has no parameter",
        ),
        ({"query": "SELECT 1", "parameters": 3}, "parameters: 3"),
        ({"query": "SELECT 1", "rows": 3}, "rows: 3"),
        ({"query": "SELECT 1", "expected_rows": "3"}, "expected_rows: '3'"),
        ({"query": "SELECT 1", "expected_rows": True}, "expected_rows: True"),
        ({"query": "SELECT 1", "expected_rows": {}}, "expected_rows: {}"),
        ({"query": "SELECT 1", "expected_rows": {"least": 1}}, "expected_rows: {"),
        ({"query": "SELECT 1", "expected_rows": {"min": -1}}, "expected_rows.min: -1"),
        (
            {"query": "SELECT 1", "expected_rows": {"min": 2, "max": 1}},
            "expected_rows: min 2 above max 1",
        ),
        (
            {"query": "SELECT 1 WHERE 1 IN (:x)", "parameters": {"x": [1]}},
            "query: a list inside IN (:x)",
        ),
        (
            {"query": "SELECT 1 WHERE 1 IN :x", "parameters": {"x": 1}},
            "parameters.x: 1: give a list, or write IN (:x)",
        ),
        ({"statements": []}, "statements: a list of 0"),
        ({"statements": [3]}, "statements[0]: 3"),
        ({"statements": [{"query": "SELECT 1", "x": 1}]}, "statements[0].x: an unknown field"),
        ({"statements": [{"query": 3}]}, "statements[0].query: 3"),
        (
            {"statements": [{"query": "SELECT 1"}], "query": "SELECT 1"},
            "query: a field beside statements",
        ),
    ],
)
def test_each_problem_is_named_with_its_place(params: dict[str, Any], expected: str) -> None:
    [found] = validated(**params)
    assert found.startswith(expected)


def test_a_problem_is_a_problem() -> None:
    query = DatabaseQuery(Connections({"default": "sqlite://"}))
    assert all(isinstance(problem, Problem) for problem in query.validate({}))
