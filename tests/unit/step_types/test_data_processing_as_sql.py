"""``data_processing`` does what SQL does: the same operations on random rows, in SQLite."""

from __future__ import annotations

import sqlite3
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from indelible.actors.step_types.data_processing.step import DataProcessing

Rows = list[dict[str, Any]]

numbers = st.none() | st.integers(-3, 3)
texts = st.none() | st.sampled_from(["", "a", "ab", "b"])
tables = st.lists(
    st.fixed_dictionaries({"id": numbers, "n": numbers, "t": texts}), min_size=1, max_size=12
)
SQL = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def database(**named: Rows) -> sqlite3.Connection:
    """Tables with the given rows, and a column ``at`` that numbers them."""
    connection = sqlite3.connect(":memory:")
    for name, rows in named.items():
        connection.execute(f"CREATE TABLE {name} (at INTEGER, id INTEGER, n INTEGER, t TEXT)")
        values = [(at, row["id"], row["n"], row["t"]) for at, row in enumerate(rows)]
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", values)
    return connection


def done(rows: Rows, **params: Any) -> Rows:
    """What the step makes of ``rows``."""
    found: Rows = DataProcessing().run(None, {"name": "s", "params": {"input": rows, **params}})[
        "data"
    ]
    return found


def comparisons() -> st.SearchStrategy[tuple[dict[str, Any], str]]:
    """A predicate and the same in SQL."""

    def quoted(value: Any) -> str:
        if isinstance(value, list):
            return "(" + ", ".join(map(quoted, value)) + ")"
        return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)

    def build(column: str, op: str, value: Any) -> tuple[dict[str, Any], str]:
        if op.endswith("null"):
            sql = "IS NULL" if op == "is_null" else "IS NOT NULL"
            return {"column": column, "op": op}, f"{column} {sql}"
        name = {"in": "IN", "not_in": "NOT IN"}.get(op) or SQL[op]
        return {"column": column, "op": op, "value": value}, f"{column} {name} {quoted(value)}"

    one = st.integers(-3, 3)
    return (
        st.builds(build, st.sampled_from(["id", "n"]), st.sampled_from(sorted(SQL)), one)
        | st.builds(
            build, st.just("t"), st.sampled_from(sorted(SQL)), st.sampled_from(["", "a", "b"])
        )
        | st.builds(
            build, st.just("n"), st.sampled_from(["in", "not_in"]), st.lists(numbers, max_size=3)
        )
        | st.builds(
            build, st.sampled_from(["n", "t"]), st.sampled_from(["is_null", "not_null"]), one
        )
    )


predicates = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        inner.map(lambda p: ({"not": p[0]}, f"NOT ({p[1]})")),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda ps: ({"all": [p for p, _ in ps]}, " AND ".join(f"({sql})" for _, sql in ps))
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda ps: ({"any": [p for p, _ in ps]}, " OR ".join(f"({sql})" for _, sql in ps))
        ),
    ),
    max_leaves=6,
)


@given(tables, predicates)
def test_filter_keeps_what_sql_keeps(rows: Rows, predicate: tuple[dict[str, Any], str]) -> None:
    where, sql = predicate
    expected = database(r=rows).execute(f"SELECT at FROM r WHERE {sql} ORDER BY at").fetchall()
    assert done(rows, operation="filter", where=where) == [rows[at] for (at,) in expected]


@given(tables, st.lists(st.sampled_from(["id", "n", "t"]), unique=True, max_size=2))
def test_group_aggregates_as_sql_does(rows: Rows, by: list[str]) -> None:
    aggregate = {
        "c": {"op": "count"},
        "cn": {"op": "count_not_null", "column": "n"},
        "s": {"op": "sum", "column": "n"},
        "a": {"op": "mean", "column": "n"},
        "lo": {"op": "min", "column": "t"},
        "hi": {"op": "max", "column": "n"},
    }
    columns = "".join(f"{name}, " for name in by)
    tail = f"GROUP BY {', '.join(by)} ORDER BY min(at)" if by else ""
    expected = database(r=rows).execute(
        f"SELECT {columns} count(*), count(n), sum(n), avg(n), min(t), max(n) FROM r {tail}"
    )
    found = done(rows, operation="group", by=by, aggregate=aggregate)
    assert [tuple(row.values()) for row in found] == expected.fetchall()


@given(tables, st.lists(st.sampled_from(["id", "-id", "n", "-n", "t"]), max_size=3))
def test_sort_orders_as_sql_does(rows: Rows, by: list[str]) -> None:
    names = [name.removeprefix("-") for name in by]
    by = [name for i, name in enumerate(by) if names[i] not in names[:i]]
    order = [f"{n.removeprefix('-')} {'DESC' if n[0] == '-' else 'ASC'} NULLS LAST" for n in by]
    sql = f"SELECT at FROM r ORDER BY {', '.join([*order, 'at'])}"
    expected = database(r=rows).execute(sql).fetchall()
    assert done(rows, operation="sort", by=by) == [rows[at] for (at,) in expected]


@given(tables, tables, st.sampled_from(["inner", "left"]), st.sampled_from([["id"], ["id", "t"]]))
def test_join_matches_what_sql_matches(left: Rows, right: Rows, how: str, on: list[str]) -> None:
    equal = " AND ".join(f"l.{name} = r.{name}" for name in on)
    others = ", ".join(f"r.{name} AS {name}_right" for name in ("id", "n", "t") if name not in on)
    connection = database(l=left, r=right)
    connection.row_factory = sqlite3.Row
    tables = f"l {how.upper()} JOIN r ON {equal}"
    expected = connection.execute(
        f"SELECT l.id, l.n, l.t, {others} FROM {tables} ORDER BY l.at, r.at"
    )
    found = done(left, operation="join", right=right, on=on, how=how)
    assert found == [dict(row) for row in expected]


@given(tables)
def test_sum_adds_as_sql_does(rows: Rows) -> None:
    expected = database(r=rows).execute("SELECT sum(n) FROM r").fetchone()
    assert done(rows, operation="sum", column="n") == [{"n": expected[0]}]
