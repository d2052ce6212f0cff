"""The Python steps of the flights workflow: load, clean, reconcile, and write the summary.

`indelible run … --steps examples.flights.steps` finds the marked functions here, and the two
mappings at the end.
"""

from __future__ import annotations

import csv
import gzip
import io
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from indelible import StepContext, step

DATA = Path(__file__).parent / "data"
DATABASE = "flights.db"  # in the current directory; the run's input may name another file
FILES = {
    "flights": "flights-2013-01.csv.gz",
    "airlines": "airlines.csv",
    "airports": "airports.csv",
}
MISSING = "NA"

Row = dict[str, Any]


@step("load_flights")
def load_flights(context: StepContext) -> dict[str, int]:
    """Fill the three source tables with the files' text and count their rows.

    It is one transaction that replaces the old rows: if it is interrupted, the old rows stay, and
    running it again is safe.
    """
    database = context.input.get("database", DATABASE)
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        loaded = {table: _replace(connection, table, DATA / name) for table, name in FILES.items()}
        connection.execute("COMMIT")
    return loaded


@step("clean_flights")
def clean_flights(extracts: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Join the airports' rows to one list with numbers for text and None for `NA`."""
    rows = [clean_flight(row) for extract in extracts for row in extract]
    return {"rows": rows, "cancelled": sum(row["cancelled"] for row in rows)}


def clean_flight(row: Mapping[str, str]) -> Row:
    """One flight in the form for later steps; a flight without a departure was cancelled."""
    return {
        "carrier": row["carrier"],
        "origin": row["origin"],
        "dest": row["dest"],
        "cancelled": int(row["dep_time"] == MISSING),
        "dep_delay": _minutes(row["dep_delay"]),
        "arr_delay": _minutes(row["arr_delay"]),
    }


def add_rates(row: Mapping[str, Any]) -> Row:
    """A group's row with its share of cancelled flights, and mean delays to a tenth of a minute."""
    return {
        **row,
        "cancelled_percent": round(100 * row["cancelled"] / row["flights"], 1),
        "mean_dep_delay": _tenth(row["mean_dep_delay"]),
        "mean_arr_delay": _tenth(row["mean_arr_delay"]),
    }


@step("reconcile")
def reconcile(totals: Mapping[str, int], expected: int) -> dict[str, int]:
    """Pass the totals on if every one of them is the number of flights in the source.

    Raises:
        ValueError: A table lost or doubled flights; the message lists each wrong total.
    """
    wrong = {name: total for name, total in totals.items() if total != expected}
    if wrong:
        raise ValueError(f"{expected:,} flights expected, but found {wrong}")
    return {"flights": expected}


@step("summarise")
def summarise(airlines: Sequence[Row], airports: Sequence[Row], flights: int) -> dict[str, Any]:
    """The result of the run; ``report`` is text for people."""
    cancelled = sum(row["cancelled"] for row in airlines)
    unknown = [row for row in airports if row["airport"] is None]
    nameless = ", ".join(sorted(row["dest"] for row in unknown))
    to_nameless = sum(row["flights"] for row in unknown)
    report = "\n".join(
        [
            f"{flights:,} flights left New York in January 2013; {cancelled:,} were cancelled.",
            "",
            *_table("airline", ((row["airline"] or row["carrier"], row) for row in airlines)),
            "",
            "The ten most delayed destinations:",
            "",
            *_table("airport", ((row["airport"] or row["dest"], row) for row in airports[:10])),
            "",
            f"{to_nameless:,} flights went to airports without a name: {nameless}.",
        ]
    )
    return {
        "report": report,
        "flights": flights,
        "cancelled": cancelled,
        "airlines": len(airlines),
        "airports": len(airports),
    }


def _replace(connection: sqlite3.Connection, table: str, file: Path) -> int:
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    columns, *rows = csv.reader(io.StringIO(raw.decode()))
    names = ", ".join(columns)
    places = ", ".join("?" * len(columns))
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({names})")
    connection.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are those above
    connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - as above
    return len(rows)


def _minutes(text: str) -> int | None:
    return None if text == MISSING else int(text)


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _table(title: str, rows: Iterable[tuple[str, Row]]) -> list[str]:
    lines = [f"{title:<32} flights  cancelled  departure delay  arrival delay"]
    for name, row in rows:
        departure, arrival = (
            "-" if row[key] is None else f"{row[key]:.1f} min"
            for key in ("mean_dep_delay", "mean_arr_delay")
        )
        lines.append(
            f"{name:<32.32} {row['flights']:>7,}  {row['cancelled']:>9,}"
            f"  {departure:>15}  {arrival:>13}"
        )
    return lines


CONNECTIONS: Mapping[str, str] = {"flights": f"sqlite:///{DATABASE}"}
FUNCTIONS: Mapping[str, Callable[[Mapping[str, Any]], Row]] = {"add_rates": add_rates}
