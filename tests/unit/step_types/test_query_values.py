"""Values that are bound to SQL: they arrive as they are, and compare as what they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indelible.actors.step_types.database_query.parameters import to_driver
from indelible.errors import StepDataError

Run = Callable[..., dict[str, Any]]

PARIS = timezone(timedelta(hours=1))
HARD = ["'", '"', "''", "\\", "\\'", "a\nb\r\tc", ":v", "%s", "%(v)s", "?", "$1", "--", "x'; DROP",
        "", " ", "ünï→😀", "\x00", "a\x00b", "{v}", "__[POSTCOMPILE_v]"]  # fmt: skip


# A query that puts values into its text with repr() fails here: seen red with that bug planted.
@pytest.mark.parametrize("value", HARD)
def test_any_text_arrives_as_it_is(kind: str, query: Run, value: str) -> None:
    asked: dict[str, Any] = {"query": "SELECT CAST(:v AS TEXT) AS v", "parameters": {"v": value}}
    if kind == "postgresql" and "\x00" in value:  # no text of PostgreSQL can hold it
        with pytest.raises(StepDataError, match="NUL"):
            query(**asked)
        return
    assert query(**asked)["rows"] == [{"v": value}]
    query(query="CREATE TABLE t (v TEXT)")
    query(query="INSERT INTO t VALUES (:v)", rows=[{"v": value}, {"v": None}])
    found = query(query="SELECT v FROM t WHERE v IN :vs", parameters={"vs": [value, "+"]})
    assert found["rows"] == [{"v": value}]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), max_size=8
    )
)
def test_texts_return_as_they_were_bound(query: Run, values: list[str]) -> None:
    parameters = {f"v{i}": value for i, value in enumerate(values)}
    columns = [f"CAST(:{name} AS TEXT) AS {name}" for name in parameters]
    sql = f"SELECT {', '.join(columns or ['1 AS one'])}"
    expected: list[dict[str, Any]] = [dict(parameters) if values else {"one": 1}]
    assert query(query=sql, parameters=parameters)["rows"] == expected


@pytest.fixture
def orders(query: Run) -> Run:
    query(query="CREATE TABLE o (p NUMERIC, n INTEGER, at TIMESTAMP WITH TIME ZONE, day DATE)")
    query(query="INSERT INTO o VALUES (5, 3, '2024-01-01 10:00:00', '2024-01-01')")
    query(query="INSERT INTO o VALUES (20, 1, '2023-01-01 00:00:00', '2023-01-01')")
    return query


@pytest.mark.parametrize(
    ("sql", "value", "count"),
    [
        ("SELECT n FROM o WHERE p * n > :x", Decimal(10), 2),
        ("SELECT SUM(p) FROM o HAVING SUM(p) > :x", Decimal(10), 1),
        ("SELECT n FROM o WHERE p IN :x", [Decimal("5.0"), Decimal(7)], 1),
        ("SELECT n FROM o WHERE p + 0 = :x", Decimal("20.00"), 1),
        ("SELECT n FROM o WHERE n / :x = 1.5", Decimal(2), 1),
        ("SELECT n FROM o WHERE at >= :x", datetime(2024, 1, 1, tzinfo=UTC), 1),
        ("SELECT n FROM o WHERE at >= :x", datetime(2024, 1, 1, 11, tzinfo=PARIS), 1),
        ("SELECT n FROM o WHERE at > :x", datetime(2024, 1, 1, 11, tzinfo=PARIS), 0),
        ("SELECT n FROM o WHERE at IN :x", [datetime(2024, 1, 1, 10, tzinfo=UTC)], 1),
        ("SELECT n FROM o WHERE day IN :x", [date(2024, 1, 1), date(2022, 1, 1)], 1),
        ("SELECT n FROM o WHERE day > :x", date(2023, 1, 1), 1),
        ("SELECT n FROM o WHERE p > :x", math.inf, 0),
    ],
)
def test_numbers_and_times_compare_as_such(orders: Run, sql: str, value: Any, count: int) -> None:
    assert orders(query=sql, parameters={"x": value})["rows_returned"] == count


def test_what_is_written_is_found_again(orders: Run) -> None:
    instant = datetime(2024, 2, 3, 4, 5, 6, 700, tzinfo=PARIS)
    row = {"p": Decimal("1.25"), "at": instant, "day": date(2024, 2, 3)}
    orders(query="INSERT INTO o VALUES (:p, 7, :at, :day)", rows=[row])
    sql = "SELECT n FROM o WHERE p = :p AND day = :day AND at = :at AND at > :before"
    before = instant.astimezone(UTC) - timedelta(microseconds=1)
    assert orders(query=sql, parameters=row | {"before": before})["rows"] == [{"n": 7}]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Decimal("0.12345678901234567890123"), "more digits than SQLite's numbers; round it"),
        (Decimal("1e400"), "more digits than SQLite's numbers"),
        (Decimal(123456789012345678901234567890), "more digits"),
        (Decimal("NaN"), r"parameters\.x is NaN, which SQLite would keep as NULL"),
        (Decimal("sNaN"), "is NaN"),
        (math.nan, "is NaN"),
        ([1, [Decimal("NaN")]], r"parameters\.x\[1\]\[0\] is NaN"),
    ],
)
def test_what_sqlite_cannot_keep_is_refused(value: Any, words: str, query: Run, kind: str) -> None:
    asked = {"query": "SELECT 1 AS one WHERE 1 IN :x OR :x = 3", "parameters": {"x": value}}
    if kind == "sqlite":
        with pytest.raises(StepDataError, match=words):
            query(**asked)
        with pytest.raises(StepDataError, match=words.replace("parameters", r"rows\[0\]")):
            query(query="SELECT :x", rows=[{"x": value}])
    elif isinstance(value, Decimal):  # a numeric of PostgreSQL is exact
        sql = "SELECT CAST(:x AS NUMERIC) AS x"
        [row] = query(query=sql, parameters={"x": value})["rows"]
        assert row["x"].is_nan() if value.is_nan() else row["x"] == value


@given(st.decimals(allow_nan=False, allow_infinity=False))
@settings(max_examples=60)
def test_a_decimal_reaches_sqlite_with_all_its_digits_or_not_at_all(value: Decimal) -> None:

    with localcontext(prec=2):  # whatever the program has set
        try:
            bound = to_driver("s", "x", value, "sqlite")
        except StepDataError:
            return
        assert Decimal(repr(bound)) == value


def test_whole_decimals_do_not_divide_as_integers(query: Run) -> None:
    [row] = query(query="SELECT :x / 4 AS quarter", parameters={"x": Decimal(10)})["rows"]
    assert row == {"quarter": Decimal("2.5")}
    big = Decimal(2**60 + 1)
    assert query(query="SELECT :x AS x", parameters={"x": big})["rows"] == [{"x": 2**60 + 1}]


@pytest.mark.parametrize("column", ["INTEGER", "TEXT", "DATE"])
def test_an_empty_list_is_in_nothing(query: Run, column: str) -> None:
    query(query=f"CREATE TABLE t (a {column})")
    value = 1 if column == "INTEGER" else "2024-01-01"
    query(query="INSERT INTO t VALUES (:a)", rows=[{"a": None}, {"a": value}])
    for word, count in (("", 0), ("NOT", 2)):
        found = query(query=f"SELECT 1 AS n FROM t WHERE a {word} IN :xs", parameters={"xs": []})
        assert found["rows_returned"] == count


def test_each_row_may_have_lists_of_its_own(query: Run) -> None:
    query(query="CREATE TABLE t (a INTEGER)")
    query(query="INSERT INTO t VALUES (:a)", rows=[{"a": n} for n in range(6)])
    result = query(
        query="DELETE FROM t WHERE a IN :some AND a < :below",
        parameters={"some": [0, 1], "below": 5},
        rows=[{}, {"some": [2]}, {"some": []}, {"some": [3, 4, 5]}],
    )
    assert result["rows_affected"] == 5
    assert query(query="SELECT a FROM t")["rows"] == [{"a": 5}]


def test_a_list_may_be_long(query: Run) -> None:
    sql = "SELECT 1 AS found WHERE 29999 IN :xs"
    assert query(query=sql, parameters={"xs": list(range(30_000))})["rows_returned"] == 1


@pytest.mark.parametrize("value", [3, None, "ab"])
def test_only_a_list_stands_behind_in(query: Run, value: Any) -> None:
    with pytest.raises(StepDataError, match=r"parameter 'x' is .* behind IN; give a list"):
        query(query="SELECT 1 AS a WHERE 1 IN :x", parameters={"x": value})


@pytest.mark.parametrize("values", [{"a": {"k": 1}}, {"a": "\ud800"}])
def test_a_value_that_no_driver_takes_is_refused(query: Run, values: dict[str, Any]) -> None:
    with pytest.raises(StepDataError, match="the database refused"):
        query(query="SELECT :a AS a", parameters=values)


def test_one_name_may_stand_in_several_places(query: Run) -> None:
    sql = "SELECT :a + 0 AS x, :b + :a AS y, 5 AS z WHERE 1 IN :c OR 2 IN :c"
    found = query(query=sql, parameters={"a": 1, "b": 2, "c": [2, 3]})
    assert found["rows"] == [{"x": 1, "y": 3, "z": 5}]


def test_a_column_keeps_its_whole_name(query: Run) -> None:
    assert query(query='SELECT 1 AS "a.b", 2 AS "a.c"')["rows"] == [{"a.b": 1, "a.c": 2}]
