"""The flights example, killed with -9 at every step: the same report in the end, nothing twice."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from forked import COMMAND, PIPE, Forked
from indelible import ActorSystem
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import StepCompleted

TYPES = run_event_types()
FULL = os.environ.get("INDELIBLE_FAULTS") == "1"
ROOT = Path(__file__).parents[2]
STEPS = [
    "load",
    "ewr",
    "jfk",
    "lga",
    "clean",
    "airlines",
    "airports",
    "named",
    "by_airline",
    "by_airport",
    "report",
    "totals",
    "reconcile",
    "summary",
]
WITH_STEPS = ["--steps", "examples.flights.steps"]


def indelible(folder: Path, *arguments: str) -> tuple[int | None, str, str]:
    """The exit code of a command, and what it prints."""
    environment = {**os.environ, "NO_COLOR": "1"}
    command = Forked(COMMAND, arguments, home=folder, environment=environment, stderr=PIPE)
    stdout, stderr = command.communicate()
    return command.returncode, stdout, stderr


def run_flights(folder: Path, *arguments: str) -> tuple[int | None, str, str]:
    file = "examples/flights/flights.yaml"
    return indelible(folder, "run", file, *WITH_STEPS, "--run-id", "2013-01", *arguments)


def completions(folder: Path) -> list[str]:
    """Names of the completed steps, in the order of the log."""
    with ActorSystem(f"sqlite:///{folder / 'indelible.db'}", mode="read") as system:
        events = [TYPES.decode(event) for event in system.store.read("run-2013-01")]
    return [e.path.rpartition("/")[2] for e in events if isinstance(e, StepCompleted)]


def tables(folder: Path) -> list[Any]:
    """The report as it stands in the database, with the plain-SQL totals beside it."""
    with closing(sqlite3.connect(folder / "flights.db")) as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT * FROM delays_by_airline ORDER BY carrier",
                "SELECT * FROM delays_by_airport ORDER BY dest",
                "SELECT carrier, count(*), sum(dep_time = 'NA') FROM flights GROUP BY 1 ORDER BY 1",
            )
        ]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = prepared(tmp_path_factory.mktemp("undisturbed"))
    code, _, said = run_flights(folder)
    assert code == 0, said
    return tables(folder)


def prepared(folder: Path) -> Path:
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.mark.parametrize("step", STEPS if FULL else ["jfk", "report"])
def test_killed_at_a_step_it_ends_as_if_nothing_had_happened(
    step: str, tmp_path: Path, undisturbed: list[Any]
) -> None:
    folder = prepared(tmp_path)
    code, _, said = run_flights(folder, "--crash-after", step)
    assert code == -signal.SIGKILL, said
    before = completions(folder)
    assert step in before

    code, _, said = indelible(folder, "recover", *WITH_STEPS)

    assert code == 0, said
    after = completions(folder)
    assert after[: len(before)] == before
    assert sorted(after) == sorted(STEPS)  # each completed once
    report = tables(folder)
    assert report == undisturbed
    airlines, airports, counted = report
    assert [(row[0], row[2], row[3]) for row in airlines] == counted
    assert sum(row[2] for row in airports) == 27_004


def test_killed_at_every_step_in_turn_the_same_command_finishes_it(
    tmp_path: Path, undisturbed: list[Any]
) -> None:
    folder = prepared(tmp_path)
    done: list[str] = []
    for step in STEPS:
        if step in done:  # a parallel sibling that was quicker than the kill
            continue
        assert run_flights(folder, "--crash-after", step)[0] == -signal.SIGKILL
        before, done = done, completions(folder)
        assert done[: len(before)] == before
    code, report, said = run_flights(folder)
    assert code == 0, said
    assert "27,004 flights left New York" in report
    assert sorted(completions(folder)) == sorted(STEPS)  # each completed once
    assert tables(folder) == undisturbed
