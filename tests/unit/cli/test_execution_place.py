"""The commands while another process owns the store: the same answers, by way of the inbox."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem, step
from indelible.api.facade import access_to
from indelible.cli.tasks.recovery_job import _blocked
from indelible.cli.watching.execution_place import ExecutionPlace

RUN = ("--run-id", "r1")


class Service:
    """A system that owns the store of the current directory; step ``gate`` waits for a word."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

        @step("note")
        def note(context: Any, text: str = "done") -> dict[str, str]:
            return {"text": text, "report": f"the service says {text}"}

        @step("gate")
        def gate(context: Any) -> str:
            self.began.set()
            self.go_on.wait(50)
            return "open"

        @step("fail")
        def fail(context: Any) -> None:
            raise ValueError("no such day")

        self.system = ActorSystem(steps=[note, gate, fail], drain=0)

    def cut_off(self, workflow: str) -> None:
        """Start run r1 and close while its gate is shut."""
        with self.system:
            self.system.workflow_agent("a").start(Path(workflow), run_id="r1")
            assert self.began.wait(20)
        self.go_on.set()


@pytest.fixture
def closed(commands: Any) -> Iterator[Service]:
    service = Service()
    yield service
    service.go_on.set()
    service.system.close()


@pytest.fixture
def service(closed: Service) -> Service:
    closed.system.open()
    return closed


def test_a_run_is_executed_by_the_service_and_shown_here(commands: Any, service: Service) -> None:
    result = commands.invoke("run", "two.json", *RUN, "--input", '{"text": "all is well"}')
    assert result.exit_code == 0, result.output
    assert "run r1  success" in result.stdout
    assert "the service says all is well" in result.stdout
    assert "owns the store and executes its runs" in result.stderr
    assert commands.notes() == []  # none of the steps ran here


def test_json_is_the_same_as_without_a_service(commands: Any, service: Service) -> None:
    words = ("run", "two.json", *RUN, "--input", '{"text": "x"}', "--json")
    there = json.loads(commands.invoke(*words).stdout)
    service.system.close()
    here = json.loads(commands.invoke(*words, "--steps", "mysteps").stdout)
    assert there == here


def test_steps_that_are_given_here_are_not_used_and_that_is_said(
    commands: Any, service: Service
) -> None:
    result = commands.invoke(
        "run", "two.json", *RUN, "--input", '{"text": "x"}', "--steps", "mysteps"
    )
    assert "it uses its own steps" in result.stderr
    assert commands.notes() == []


def test_errors_and_exit_codes_are_the_same(commands: Any, service: Service) -> None:
    failing = commands.invoke("run", "failing.json", *RUN)
    assert failing.exit_code == 1
    assert "bad: ValueError: no such day" in " ".join(failing.stdout.split())
    other = commands.invoke("run", "two.json", *RUN, "--input", '{"text": "x"}')
    assert other.exit_code == 1
    assert "exists with another agent and definition and input" in " ".join(other.stderr.split())
    unknown = commands.invoke("run", "odd.json")
    assert unknown.exit_code == 1
    assert "unknown step type 'odd'" in unknown.stderr


def test_a_service_that_runs_is_not_to_be_crashed_from_here(
    commands: Any, service: Service
) -> None:
    result = commands.invoke(
        "run", "two.json", *RUN, "--input", '{"text": "x"}', "--crash-after", "first"
    )
    assert result.exit_code == 2
    assert "another process executes the run" in " ".join(result.stderr.split())
    assert commands.invoke("show", "r1").exit_code == 1  # nothing was started


def test_a_run_that_waits_for_something_is_not_waited_for(commands: Any, closed: Service) -> None:
    closed.cut_off("asking.json")
    closed.system.open()
    result = commands.invoke("run", "asking.json", *RUN, "--agent", "a")
    assert result.exit_code == 1
    assert "its outcome is unknown" in " ".join(result.stdout.split())
    rows = json.loads(commands.invoke("recover", "--json").stdout)
    assert [row["status"] for row in rows] == ["waiting"]


def test_a_step_type_that_the_service_lacks_is_named(
    commands: Any, closed: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed.cut_off("gated.json")
    monkeypatch.setattr("indelible.cli.tasks.recovery_job._QUIET", 0.05)
    with ActorSystem(steps=[]):
        result = commands.invoke("recover", "--json")
    assert result.exit_code == 1
    [row] = json.loads(result.stdout)
    assert row["status"] == "waiting"
    assert "'gate' is not registered" in row["waiting_for"][0]


@pytest.mark.parametrize("service_runs", [True, False])
def test_an_outcome_that_only_a_person_knows_is_resolved(
    commands: Any, closed: Service, *, service_runs: bool
) -> None:
    closed.cut_off("asking.json")
    words: tuple[str, ...] = ("--steps", "mysteps")
    if service_runs:
        closed.system.open()
        words = ()
    result = commands.invoke(
        "resolve", "r1", "wait", "complete", "--by", "ann", "--result", '"seen"', *words
    )
    assert result.exit_code == 0, result.output
    assert "step wait of run r1: complete" in result.stdout
    assert ("indelible recover" in result.stderr) is not service_runs
    recovered = commands.invoke("recover", "--json", *words)
    assert recovered.exit_code == 0, recovered.output
    shown = json.loads(commands.invoke("show", "r1", "--json").stdout)
    assert shown["outcome"] == "success"


def test_what_cannot_be_resolved_says_why(commands: Any, service: Service) -> None:
    service.system.workflow_agent("a").start(
        Path("two.json"), run_id="r1", input={"text": "x"}
    ).result(9)
    refused = commands.invoke("resolve", "r1", "first", "retry")
    assert refused.exit_code == 1
    assert "does not wait for the outcome" in refused.stderr
    assert commands.invoke("resolve", "r1", "first", "again").exit_code == 2
    assert commands.invoke("resolve", "r2", "first", "retry").exit_code == 1
    missing = commands.invoke("resolve", "r1", "a", "retry", "--store", "sqlite:///no.db")
    assert missing.exit_code == 1
    assert not (commands.home / "no.db").exists()


def test_recover_waits_for_the_runs_of_the_service(
    commands: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.system.workflow_agent("a").start(Path("gated.json"), run_id="r1")
    assert service.began.wait(20)
    found = []

    def look(*args: Any) -> Any:
        found.append(_blocked(*args))
        service.go_on.set()  # not before recover has asked what holds the run
        return found[-1]

    monkeypatch.setattr("indelible.cli.tasks.recovery_job._QUIET", 0.05)
    monkeypatch.setattr("indelible.cli.tasks.recovery_job._blocked", look)
    rows = json.loads(commands.invoke("recover", "--json").stdout)
    assert found[0] == {}
    assert [(row["run_id"], row["status"]) for row in rows] == [("r1", "success")]


@pytest.mark.parametrize("command", [("run", "gated.json", *RUN, "--agent", "a"), ("recover",)])
def test_a_signal_ends_the_command_and_not_the_run(
    commands: Any, service: Service, wait_for: Any, command: tuple[str, ...]
) -> None:
    run = service.system.workflow_agent("a").start(Path("gated.json"), run_id="r1")
    assert service.began.wait(20)
    process = commands.start(*command)
    wait_for(process.stderr, f"{command[0]} r1:" if command[0] == "run" else "recovering")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "in the process that executes" in err
    service.go_on.set()
    assert run.result(20)["status"] == "success"


def test_runs_and_show_read_beside_the_service(commands: Any, service: Service) -> None:
    service.system.workflow_agent("a").start(
        Path("two.json"), run_id="r1", input={"text": "x"}
    ).result(9)
    assert "r1" in commands.invoke("runs").stdout
    assert "success" in commands.invoke("show", "r1").stdout


def test_who_comes_second_in_a_race_for_the_store_becomes_a_client(
    commands: Any, service: Service
) -> None:
    from indelible.cli.options.step_modules import StepEquipment

    place = ExecutionPlace("sqlite:///indelible.db", None)  # as it looked a moment ago
    with place.open(StepEquipment([], {}, {})) as system:
        assert not system.owns
        assert access_to(system).can_ask


def test_a_waiting_command_says_that_its_service_is_gone_and_goes_on_when_one_is_back(
    commands: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, told = [], threading.Event()

    def say(words: str) -> None:
        said.append(words)
        if "is gone" in words:
            told.set()

    monkeypatch.setattr("indelible.cli.watching.service_presence.say", say)
    monkeypatch.setattr("indelible.cli.watching.service_presence.CHECK_INTERVAL", 0.01)
    monkeypatch.setattr("indelible.service.service_watch.CHECK_INTERVAL", 0.01)
    results: list[Any] = []
    command = threading.Thread(
        target=lambda: results.append(commands.invoke("run", "gated.json", *RUN, "--agent", "a"))
    )
    command.start()
    assert service.began.wait(20)
    service.system.close()
    assert told.wait(20)
    service.go_on.set()
    service.system.open()
    command.join(20)
    assert results[0].exit_code == 0, results[0].output
    assert "which served" in said[0]
    assert "start `indelible serve`" in said[0]
    assert "now; waiting runs and commands continue" in said[1]


def test_a_command_told_to_stop_says_what_is_known_of_the_service(
    commands: Any, service: Service
) -> None:
    with ActorSystem(mode="client") as client:
        assert ExecutionPlace.describe_continuation(client, "run r1") == (
            "left to go on in the process that executes it: run r1"
        )
        service.system.close()
        left = ExecutionPlace.describe_continuation(client, "run r1")
        assert left.startswith("run r1 left unfinished: ")
        assert "start `indelible serve`" in left
