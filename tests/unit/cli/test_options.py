"""Options that name what is not there are refused or doubted aloud, never taken for nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

RUN = ("run", "--steps", "mysteps", "--input", '{"text": "x"}', "--run-id")


@pytest.fixture
def ended(commands: Any) -> Any:
    """A store with a run of each outcome: named s, p and f."""
    for run, workflow in (("s", "two.json"), ("p", "partial.json"), ("f", "failing.json")):
        commands.invoke(*RUN, run, workflow)
    return commands


def listed(commands: Any, *words: str) -> list[str]:
    result = commands.invoke("runs", "--json", *words)
    assert result.exit_code == 0, result.output
    return [row["run_id"] for row in json.loads(result.stdout)]


OF_EACH_WORD = {
    "success": ["s"],
    "partial": ["p"],
    "completed": ["p", "s"],
    "failed": ["f"],
    "quarantined": [],
    "accepted": [],
    "running": [],
    "waiting": [],
}


@pytest.mark.parametrize("then", [False, True])
def test_runs_are_chosen_by_state_or_outcome(ended: Any, *, then: bool) -> None:
    moment = ("--as-of", datetime.now(UTC).isoformat()) if then else ()
    found = {word: listed(ended, "--state", word, *moment) for word in OF_EACH_WORD}
    assert found == OF_EACH_WORD


def test_a_state_that_is_none_lists_those_there_are(ended: Any) -> None:
    result = ended.invoke("runs", "--state", "successful")
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert "accepted, running, waiting, completed, success, partial, failed, quarantined" in said


def test_runs_that_a_limit_kept_from_being_looked_at_are_counted(ended: Any) -> None:
    result = ended.invoke("runs", "--state", "partial", "--limit", "1")
    assert result.stdout.count("partial") == 2  # the workflow and its outcome
    assert "1 earlier run not looked at" in result.stderr
    assert "2 earlier runs not shown" in ended.invoke("runs", "--limit", "1").stderr


@pytest.mark.parametrize("command", ["events", "replay"])
def test_a_version_that_a_stream_does_not_have_is_refused(ended: Any, command: str) -> None:
    until = ended.invoke(command, "s", "--until", "99")
    as_of = ended.invoke(command, "s", "--as-of", "99")
    for result in (until, as_of):
        assert (result.exit_code, result.stdout) == (1, "")
        assert "99 is no version of 'run-s'; it has the versions 1 to" in result.stderr
    last = ended.invoke("events", "s", "--json").stdout.count('"version"')
    assert ended.invoke(command, "s", "--until", str(last)).exit_code == 0


def test_a_tail_that_may_wait_for_ever_says_so(ended: Any) -> None:
    for words, said in (
        (("--types", "run.complted"), "did you mean 'run.completed'"),
        (("--types", "run.nonsense"), "there are call.attempt_failed"),
        (("--types", "order.placed"), ""),
        (("--types", "run.completed"), ""),
        (("--stream", "s"), "did you mean 'run-s'?"),
        (("--stream", "order-1"), "there is no stream 'order-1' yet"),
        (("--stream", "run-s"), ""),
    ):
        result = ended.invoke("tail", "--from", "start", "--no-follow", *words)
        assert result.exit_code == 0
        assert said in result.stderr
        assert said or result.stderr == ""
