"""The flights example gives the numbers that plain SQL over the same files gives."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from indelible import ActorSystem

ROOT = Path(__file__).parents[2]
FLIGHTS = ROOT / "examples" / "flights"
FLIGHTS_TOTAL = 27_004
COLUMNS = (
    "flights",
    "cancelled",
    "departed",
    "mean_dep_delay",
    "mean_arr_delay",
    "max_dep_delay",
    "cancelled_percent",
)
# Nothing here comes from the example: text in, every conversion and join in SQL.
BY_GROUP = """
SELECT {key}, {name},
    count(*), sum(dep_time = 'NA'), count(nullif(dep_delay, 'NA')),
    round(avg(CAST(nullif(dep_delay, 'NA') AS INTEGER)), 6),
    round(avg(CAST(nullif(arr_delay, 'NA') AS INTEGER)), 6),
    max(CAST(nullif(dep_delay, 'NA') AS INTEGER)),
    100.0 * sum(dep_time = 'NA') / count(*)
FROM flights LEFT JOIN {other} ON {on} GROUP BY 1, 2
"""


@pytest.fixture(scope="module")
def steps() -> ModuleType:
    """The example's module, loaded by its path: the root folder must not be importable."""
    spec = importlib.util.spec_from_file_location("flights_steps", FLIGHTS / "steps.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def plain() -> Iterator[sqlite3.Connection]:
    """The three files as tables of text."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for table, file in [
            ("flights", "flights-2013-01.csv.gz"),
            ("airlines", "airlines.csv"),
            ("airports", "airports.csv"),
        ]:
            opener = gzip.open if file.endswith(".gz") else open
            with opener(FLIGHTS / "data" / file, "rt", newline="") as text:
                header, *rows = csv.reader(text)
            connection.execute(f"CREATE TABLE {table} ({', '.join(f'{c} TEXT' for c in header)})")
            marks = ", ".join("?" * len(header))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        yield connection


def by_airline(plain: sqlite3.Connection) -> dict[Any, tuple[Any, ...]]:
    query = BY_GROUP.format(
        key="flights.carrier",
        name="airlines.name",
        other="airlines",
        on="airlines.carrier = flights.carrier",
    )
    return {(row[0], row[1]): row[2:] for row in plain.execute(query)}


def by_airport(plain: sqlite3.Connection) -> dict[Any, tuple[Any, ...]]:
    query = BY_GROUP.format(
        key="flights.dest", name="airports.name", other="airports", on="faa = flights.dest"
    )
    return {(row[0], row[1]): row[2:] for row in plain.execute(query)}


def assert_same(
    rows: list[dict[str, Any]], keys: tuple[str, str], wanted: dict[Any, tuple[Any, ...]]
) -> None:
    """Counts are equal; means and shares were rounded to a tenth."""
    assert len(rows) == len(wanted)
    for row in rows:
        values = wanted[row[keys[0]], row[keys[1]]]
        for column, value in zip(COLUMNS, values, strict=True):
            exact = isinstance(value, int) or value is None
            assert row[column] == (value if exact else pytest.approx(value, abs=0.0501)), row


def read_report(database: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]


def run_flights(steps: ModuleType, database: Path, run_id: str) -> dict[str, Any]:
    system = ActorSystem(
        f"sqlite:///{database.parent / 'log.db'}",
        steps=[steps.load_flights, steps.clean_flights, steps.reconcile, steps.summarise],
        connections={"flights": f"sqlite:///{database}"},
        functions=steps.FUNCTIONS,
    )
    with system:
        run = system.workflow_agent("flights").start(
            FLIGHTS / "flights.yaml", run_id=run_id, input={"database": str(database)}
        )
        outcome = dict(run.result(timeout=50))  # large results are read from the open store
    assert outcome["status"] == "success", outcome["error"]
    return outcome


def test_the_files_are_what_their_notes_say(plain: sqlite3.Connection) -> None:
    counts = plain.execute(
        "SELECT count(*), sum(dep_time = 'NA'), sum(dep_delay = 'NA'), sum(arr_delay = 'NA'),"
        " sum(tailnum = 'NA'), sum(dest NOT IN (SELECT faa FROM airports)) FROM flights"
    ).fetchone()
    assert counts == (FLIGHTS_TOTAL, 521, 521, 606, 155, 680)
    origins = plain.execute("SELECT origin, count(*) FROM flights GROUP BY 1 ORDER BY 1").fetchall()
    assert origins == [("EWR", 9_893), ("JFK", 9_161), ("LGA", 7_950)]


def test_the_workflow_reports_what_plain_sql_reports(
    steps: ModuleType, plain: sqlite3.Connection, tmp_path: Path
) -> None:
    database = tmp_path / "flights.db"
    outcome = run_flights(steps, database, "january")

    assert outcome["result"]["summary"]["flights"] == FLIGHTS_TOTAL
    assert outcome["result"]["summary"]["cancelled"] == 521
    airlines = read_report(database, "delays_by_airline")
    airports = read_report(database, "delays_by_airport")
    assert_same(airlines, ("carrier", "airline"), by_airline(plain))
    assert_same(airports, ("dest", "airport"), by_airport(plain))
    assert sum(row["flights"] for row in airlines) == FLIGHTS_TOTAL
    assert sum(row["flights"] for row in airports if row["airport"] is None) == 680


def test_a_second_run_replaces_the_tables_and_adds_nothing(
    steps: ModuleType, tmp_path: Path
) -> None:
    database = tmp_path / "flights.db"
    tables = ("flights", "airlines", "airports", "delays_by_airline", "delays_by_airport")
    first = run_flights(steps, database, "first")["result"]["summary"]
    before = [read_report(database, table) for table in tables]

    assert run_flights(steps, database, "second")["result"]["summary"] == first
    assert [read_report(database, table) for table in tables] == before


def test_loading_counts_every_row_and_can_be_repeated(steps: ModuleType, tmp_path: Path) -> None:
    context = SimpleNamespace(input={"database": str(tmp_path / "flights.db")})
    counts = {"flights": FLIGHTS_TOTAL, "airlines": 16, "airports": 1_458}
    assert steps.load_flights(context) == counts
    assert steps.load_flights(context) == counts
    assert len(read_report(tmp_path / "flights.db", "flights")) == FLIGHTS_TOTAL


def test_a_load_that_fails_leaves_the_old_tables(
    steps: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = SimpleNamespace(input={"database": str(tmp_path / "flights.db")})
    steps.load_flights(context)
    broken = tmp_path / "broken.csv"
    broken.write_text("faa,name\nJFK,John F Kennedy Intl\nLGA\n")
    monkeypatch.setitem(steps.FILES, "airports", str(broken))
    with pytest.raises(sqlite3.Error):
        steps.load_flights(context)
    assert len(read_report(tmp_path / "flights.db", "flights")) == FLIGHTS_TOTAL
    assert len(read_report(tmp_path / "flights.db", "airports")) == 1_458


def test_cleaning_turns_missing_values_into_none_and_marks_cancelled_flights(
    steps: ModuleType,
) -> None:
    flown = {"dep_time": "517", "dep_delay": "-2", "arr_delay": "NA"}
    cancelled = {"dep_time": "NA", "dep_delay": "NA", "arr_delay": "NA"}
    where = {"carrier": "UA", "origin": "EWR", "dest": "IAH"}
    cleaned = steps.clean_flights(extracts=[[{**where, **flown}], [{**where, **cancelled}]])
    assert cleaned == {
        "rows": [
            {**where, "cancelled": 0, "dep_delay": -2, "arr_delay": None},
            {**where, "cancelled": 1, "dep_delay": None, "arr_delay": None},
        ],
        "cancelled": 1,
    }


def test_totals_that_differ_are_an_error_that_names_them(steps: ModuleType) -> None:
    good = {"loaded": 27_004, "by_airline": 27_004}
    assert steps.reconcile(totals=good, expected=27_004) == {"flights": 27_004}
    with pytest.raises(ValueError, match=r"27,004 flights expected.*'by_airport': 26324"):
        steps.reconcile(totals={**good, "by_airport": 26_324}, expected=27_004)


def test_a_group_in_which_nothing_flew_has_no_mean(steps: ModuleType) -> None:
    row = {"flights": 3, "cancelled": 3, "mean_dep_delay": None, "mean_arr_delay": None}
    rated = steps.add_rates(row)
    assert rated == {**row, "cancelled_percent": 100.0}
    named = {**rated, "airport": None, "dest": "STT", "airline": "Some Air", "carrier": "SA"}
    report = steps.summarise(airlines=[named], airports=[named], flights=3)["report"]
    assert "3 flights went to airports without a name: STT." in report
