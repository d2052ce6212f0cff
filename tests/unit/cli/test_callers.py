"""The command line says who asks and why, and shows it with each event."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from indelible import ActorSystem, step

RUN = ("run", "two.json", "--steps", "mysteps", "--run-id", "r1", "--input", '{"text": "x"}')


def test_a_run_is_of_whom_and_why_its_command_says(commands: Any) -> None:
    assert commands.invoke(*RUN, "--by", "ada", "--why", "month end").exit_code == 0
    lines = commands.invoke("events", "r1").stdout.splitlines()[1:]
    assert len(lines) == 4
    assert all(" by=ada why=month end  " in line for line in lines)
    tailed = commands.invoke("tail", "--no-follow", "--from", "start").stdout.splitlines()[1:]
    assert [" by=ada why=month end  " in line for line in tailed] == [True] * 4
    for event in json.loads(commands.invoke("events", "r1", "--json").stdout):
        assert event["metadata"] == {
            "correlation_id": "r1",
            "principal": "ada",
            "reason": "month end",
        }


def test_a_run_shows_who_has_started_it_and_why(commands: Any) -> None:
    assert commands.invoke(*RUN, "--by", "ada", "--why", "month end").exit_code == 0
    shown = [line.split() for line in commands.invoke("show", "r1").stdout.splitlines()]
    assert ["by", "ada"] in shown
    assert ["why", "month", "end"] in shown
    origin = json.loads(commands.invoke("show", "r1", "--json").stdout)["origin"]
    assert origin == {"by": "ada", "why": "month end"}


def test_what_nobody_has_said_is_not_shown(commands: Any) -> None:
    assert commands.invoke(*RUN).exit_code == 0
    assert json.loads(commands.invoke("show", "r1", "--json").stdout)["origin"] == {}
    for word in ("by=", "why=", "correlation_id="):
        assert word not in commands.invoke("events", "r1").stdout


def test_what_a_step_has_caused_shows_what_led_to_it(commands: Any) -> None:
    with ActorSystem("sqlite:///indelible.db") as system:

        @step("start")
        def start() -> None:
            inner = {"name": "inner", "steps": [{"name": "only", "type": "nothing"}]}
            system.workflow_agent("other").start(inner, run_id="child")

        system.register_step("start", start)
        system.register_step("nothing", lambda context, step: None)
        outer = {"name": "outer", "steps": [{"name": "begin", "type": "start"}]}
        with system.context(tenant="acme", correlation_id="req-1"):
            system.workflow_agent("shop").execute_workflow(outer, run_id="r", timeout=20)
        system.run("child").result(20)
    accepted, *later = commands.invoke("events", "child").stdout.splitlines()[1:]
    known = " tenant=acme agent=shop correlation_id=req-1"
    assert f"{known} causation_id=run-r/begin  " in accepted
    assert all(f"{known}  " in line for line in later)


@pytest.mark.parametrize("option", ["--by", "--why"])
@pytest.mark.parametrize("value", ["", "a\x1b[31mb", "two\nlines", "x" * 5_000], ids=ascii)
def test_what_is_no_text_is_refused_before_anything_is_made(
    commands: Any, option: str, value: str
) -> None:
    before = sorted(commands.home.iterdir())
    result = commands.invoke(*RUN, option, value)
    assert result.exit_code == 1
    assert f"{option.removeprefix('--')} " in result.stderr
    assert sorted(commands.home.iterdir()) == before


def test_who_resolves_a_step_may_say_why(commands: Any) -> None:
    began, go_on = threading.Event(), threading.Event()

    @step("stand")
    def stand() -> None:
        began.set()
        go_on.wait(50)

    steps = [{"name": "wait", "type": "stand", "on_unknown_outcome": "ask"}]
    with ActorSystem("sqlite:///indelible.db", steps=[stand], drain=0) as system:
        system.workflow_agent("a").start({"name": "asks", "steps": steps}, run_id="r1", by="ada")
        assert began.wait(20)
    go_on.set()
    with ActorSystem("sqlite:///indelible.db", steps=[stand]) as system:  # finds it cut off
        assert system.run("r1").status()["state"] == "waiting"
    words = ("resolve", "r1", "wait", "complete", "--result", "7", "--by", "ben")
    assert commands.invoke(*words, "--why", "seen at the bank").exit_code == 0
    events = json.loads(commands.invoke("events", "r1", "--json").stdout)
    [completed] = [event for event in events if event["type"] == "run.step_completed"]
    assert completed["metadata"] == {
        "correlation_id": "r1",
        "principal": "ben",
        "reason": "seen at the bank",
    }
