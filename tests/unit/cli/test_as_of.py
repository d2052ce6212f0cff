"""``--as-of``: a version, a position or a time, for runs, one run, and a stream's events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from indelible.cli.options.as_of import parse_as_of
from indelible.events.read.as_of import Position

RUN = ("--steps", "mysteps", "--input", '{"text": "x"}')


@pytest.fixture
def finished(commands: Any) -> Any:
    """A store with two finished runs, r1 before r2."""
    for run_id in ("r1", "r2"):
        assert commands.invoke("run", "two.json", *RUN, "--run-id", run_id).exit_code == 0
    return commands


def events(commands: Any, run_id: str) -> Any:
    return json.loads(commands.invoke("events", f"run-{run_id}", "--json").stdout)


def moments(event: Any) -> list[str]:
    """The ways to name the moment right behind ``event``."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event["recorded_at"])
    return [str(event["version"]), f"{event['shard']}:{event['position']}", at.isoformat()]


def status(commands: Any, *words: str) -> Any:
    result = commands.invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", ["show", "replay"])
def test_a_run_is_shown_as_of_a_version_a_position_and_a_time(finished: Any, command: str) -> None:
    for event in events(finished, "r1"):
        shown = [status(finished, command, "r1", "--as-of", at) for at in moments(event)[:2]]
        assert shown[0] == shown[1]
        assert shown[0]["version"] == event["version"]
        by_time = status(finished, command, "r1", "--as-of", moments(event)[2])
        assert by_time["version"] >= event["version"]  # events of one group share their time
    assert status(finished, command, "r1", "--as-of", "2999-01-01T00:00Z") == status(
        finished, command, "r1"
    )


def test_show_says_as_of_when_it_is(finished: Any) -> None:
    assert "as of" not in finished.invoke("show", "r1").stdout
    shown = finished.invoke("show", "r1", "--as-of", "1").stdout
    assert "version 1 of 4" in shown


def test_events_end_at_the_moment(finished: Any) -> None:
    for event in events(finished, "r1"):
        for at in moments(event)[:2]:
            listed = status(finished, "events", "r1", "--as-of", at)
            assert [e["version"] for e in listed] == list(range(1, event["version"] + 1))


def test_runs_are_those_of_then_in_their_state_of_then(finished: Any) -> None:
    first, second = events(finished, "r1"), events(finished, "r2")
    before_the_end = f"0:{first[-2]['position']}"
    rows = status(finished, "runs", "--as-of", before_the_end)
    assert [(row["run_id"], row["state"]) for row in rows] == [("r1", "running")]
    rows = status(finished, "runs", "--as-of", f"0:{second[0]['position']}")
    assert [(row["run_id"], row["state"]) for row in rows] == [
        ("r2", "running"),
        ("r1", "completed"),
    ]
    rows = status(finished, "runs", "--as-of", f"0:{second[0]['position']}", "--state", "completed")
    assert [row["run_id"] for row in rows] == ["r1"]
    assert status(finished, "runs", "--as-of", "0:0") == []
    assert status(finished, "runs", "--as-of", "1999-01-01T00:00Z") == []
    now = status(finished, "runs")
    assert status(finished, "runs", "--as-of", "2999-01-01T00:00Z") == now
    limited = finished.invoke("runs", "--as-of", "2999-01-01T00:00Z", "--limit", "1")
    assert "r2" in limited.stdout
    assert "1 earlier run not shown" in limited.stderr


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("show", "r1", "--as-of", "99"), 1, "no version of 'run-r1'"),
        (("show", "r1", "--as-of", "0:99"), 1, "no position 99"),
        (("show", "r1", "--as-of", "3:1"), 1, "does not exist"),
        (("show", "r1", "--as-of", "0:0"), 1, "did not exist yet"),
        (("show", "r9", "--as-of", "1"), 1, "no run 'r9'"),
        (("show", "r1", "--as-of", "yesterday"), 2, "no moment"),
        (("show", "r1", "--as-of", "2013-01-01T09:00"), 2, "no time zone"),
        (("replay", "r1", "--as-of", "1", "--until", "1"), 2, "not both"),
        (("events", "r1", "--as-of", "1", "--until", "1"), 2, "not both"),
        (("runs", "--as-of", "1"), 1, "is a version"),
    ],
)
def test_a_moment_that_is_none_is_refused(
    finished: Any, words: tuple[str, ...], code: int, why: str
) -> None:
    result = finished.invoke(*words)
    assert result.exit_code == code
    assert why in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12", 12),
        ("0:345", Position(0, 345)),
        ("0:1,1:2", {0: 1, 1: 2}),
        ("2013-01-31T09:00Z", datetime(2013, 1, 31, 9, tzinfo=UTC)),
        ("2013-01-31 09:00:00.000005+01:00", datetime(2013, 1, 31, 8, 0, 0, 5, tzinfo=UTC)),
        (None, None),
    ],
)
def test_a_moment_is_read_as_it_is_written(text: str | None, moment: Any) -> None:
    assert parse_as_of(text) == moment


@pytest.mark.parametrize("text", ["", "1:", ":1", "0:1,0:2", "0:1,", "-1", "1.5", "2013-01-31"])
def test_text_that_names_no_moment_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_as_of(text)


def test_snapshots_are_dropped_and_counted(finished: Any) -> None:
    assert status(finished, "rebuild", "--snapshots") == {"snapshots_dropped": 0}
    assert "0 snapshots dropped" in finished.invoke("rebuild", "--snapshots").stdout
    both = finished.invoke("rebuild", "metrics", "--snapshots")
    assert both.exit_code == 2
    missing = finished.invoke("rebuild", "--snapshots", "--store", "sqlite:///typo.db")
    assert missing.exit_code == 1
    assert not (finished.home / "typo.db").exists()
