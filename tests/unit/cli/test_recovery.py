"""What was killed or stopped is finished by `indelible recover`, or says what it needs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = ("--steps", "mysteps", "--run-id", "r1")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a recover of this process ask soon what holds a run, instead of after a second."""
    monkeypatch.setattr("indelible.cli.tasks.recovery_job._QUIET", 0.05)


def open_gate(home: Path) -> None:
    """Let the step at the gate go on; waits until it is there."""
    os.close(os.open(home / "gate", os.O_WRONLY))


@pytest.mark.parametrize(
    ("workflow", "step", "done"),
    [
        ("two.json", "first", ["first"]),
        ("two.json", "last", ["first", "last"]),
        ("block.json", "both/left", ["left", "right"]),
        ("block.json", "both", ["left", "right"]),
    ],
)
def test_crash_after_kills_once_the_step_is_durable_and_recover_finishes(
    commands: Any, workflow: str, step: str, done: list[str]
) -> None:
    words = ("run", workflow, *RUN, "--input", '{"text": "x"}')
    killed = commands.call(*words, "--crash-after", step)
    assert killed.returncode == -signal.SIGKILL
    assert "indelible recover --steps mysteps" in killed.stderr
    assert killed.stdout == ""

    status = json.loads(commands.invoke("show", "r1", "--json").stdout)
    completed = {s["name"] for s in status["steps"] if s["state"] == "completed"}
    assert step.rpartition("/")[2] in completed or {"left", "right"} <= completed

    recovered = commands.invoke("recover", "--steps", "mysteps", "--json")
    rows = json.loads(recovered.stdout)
    if status["outcome"] is None:
        assert [(row["run_id"], row["status"]) for row in rows] == [("r1", "success")]
    assert recovered.exit_code == 0
    for name in completed:
        assert commands.notes().count(name) == 1, "a completed step ran again"


def test_the_same_command_without_crash_after_goes_on_with_the_run(commands: Any) -> None:
    words = ("run", "two.json", *RUN, "--input", '{"text": "x"}')
    assert commands.call(*words, "--crash-after", "first").returncode == -signal.SIGKILL
    again = commands.invoke(*words, "--crash-after", "first")
    assert again.exit_code == 2
    assert "complete already" in " ".join(again.stderr.replace("│", " ").split())
    result = commands.invoke(*words)
    assert result.exit_code == 0
    assert "success" in result.stdout
    assert commands.notes().count("first") == 1


def test_a_crash_step_that_fails_kills_nothing_and_says_so(commands: Any) -> None:
    result = commands.invoke("run", "failing.json", *RUN, "--crash-after", "bad")
    assert result.exit_code == 1
    assert "nothing was killed" in result.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_stops_cleanly_and_says_how_to_go_on(
    commands: Any, wait_for: Callable[..., str], number: signal.Signals, code: int
) -> None:
    process = commands.start("run", "gated.json", *RUN, "--store", "sqlite:///a b.db")
    wait_for(process.stderr, "at the gate")
    process.send_signal(number)
    wait_for(process.stderr, "stopping")
    open_gate(commands.home)
    stdout, stderr = process.communicate(timeout=50)
    assert process.returncode == code, stderr
    assert stdout == ""
    assert "indelible recover --store 'sqlite:///a b.db' --steps mysteps" in stderr
    assert "Traceback" not in stderr

    recovered = commands.invoke("recover", "--store", "sqlite:///a b.db", "--steps", "mysteps")
    assert recovered.exit_code == 0, recovered.output
    assert commands.notes() == ["first", "wait", "last"], "what returned while stopping is kept"


def test_a_second_signal_ends_at_once(commands: Any, wait_for: Callable[..., str]) -> None:
    process = commands.start("run", "gated.json", *RUN)
    wait_for(process.stderr, "at the gate")
    process.send_signal(signal.SIGINT)
    wait_for(process.stderr, "stopping")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=50)
    assert process.returncode == 130
    assert "go on with" not in stderr, "it waited for the step"
    recovering = commands.start("recover", "--steps", "mysteps")
    wait_for(recovering.stderr, "at the gate")
    open_gate(commands.home)
    recovering.communicate(timeout=50)
    assert recovering.returncode == 0
    assert commands.notes() == ["first", "wait", "wait", "last"]


def test_recover_can_be_stopped_and_called_again(
    commands: Any, wait_for: Callable[..., str]
) -> None:
    killed = commands.call("run", "gated.json", *RUN, "--crash-after", "first")
    assert killed.returncode == -signal.SIGKILL
    process = commands.start("recover", "--steps", "mysteps")
    wait_for(process.stderr, "at the gate")
    process.send_signal(signal.SIGTERM)
    wait_for(process.stderr, "stopping")
    open_gate(commands.home)
    _, stderr = process.communicate(timeout=50)
    assert process.returncode == 143
    assert "1 run unfinished" in stderr
    assert commands.invoke("recover", "--steps", "mysteps").exit_code == 0


def test_recover_lists_what_waits_for_an_unregistered_step_type(commands: Any) -> None:
    killed = commands.call(
        "run", "two.json", *RUN, "--input", '{"text": "x"}', "--crash-after", "first"
    )
    assert killed.returncode == -signal.SIGKILL
    result = commands.invoke("recover")
    assert result.exit_code == 1
    assert "r1: step 'last': its type 'note' is not registered" in result.stdout
    assert "--steps" in result.stderr
    [row] = json.loads(commands.invoke("recover", "--json").stdout)
    assert row["status"] == "waiting"
    assert row["waiting_for"]
    assert commands.invoke("recover", "--steps", "mysteps").exit_code == 0


def test_a_run_that_waits_for_a_person_ends_the_wait_and_says_so(
    commands: Any, wait_for: Callable[..., str]
) -> None:
    process = commands.start("run", "asking.json", *RUN)
    wait_for(process.stderr, "at the gate")
    process.kill()
    process.communicate(timeout=50)
    result = commands.invoke("run", "asking.json", *RUN)
    assert result.exit_code == 1
    assert "run r1  waiting" in result.stdout
    assert "its outcome is unknown" in " ".join(result.stdout.split())
    [row] = json.loads(commands.invoke("recover", "--steps", "mysteps", "--json").stdout)
    assert row["status"] == "waiting"


def test_an_unfinished_run_waits_for_the_connection_it_needs(commands: Any) -> None:
    run = ("run", "query.json", *RUN, "--connection", "db=sqlite://")
    assert commands.call(*run, "--crash-after", "first").returncode == -signal.SIGKILL
    waits = commands.invoke("recover", "--steps", "mysteps")
    assert waits.exit_code == 1
    assert "r1: step 'ask'" in waits.stdout
    assert "its connection is 'db', which is not declared" in waits.stdout
    other = commands.invoke("run", "block.json", "--steps", "mysteps")
    assert other.exit_code == 0, other.output  # the run beside it is none of its business
    finished = commands.invoke("recover", "--steps", "mysteps", "--connection", "db=sqlite://")
    assert finished.exit_code == 0, finished.output


def test_recover_of_a_finished_store_has_nothing_to_do(commands: Any) -> None:
    commands.invoke("run", "block.json", *RUN)
    result = commands.invoke("recover")
    assert (result.exit_code, result.stdout) == (0, "no unfinished run\n")


def test_a_recovered_run_that_fails_makes_the_exit_code_1(commands: Any) -> None:
    (commands.home / "late.json").write_text(
        '{"name": "late", "steps": [{"name": "first", "type": "note"},'
        ' {"name": "bad", "type": "fail"}]}'
    )
    assert commands.call("run", "late.json", *RUN, "--crash-after", "first").returncode == -9
    result = commands.invoke("recover", "--steps", "mysteps")
    assert result.exit_code == 1
    assert "ValueError: no such day" in result.stdout


def test_a_full_disk_is_one_clean_message_and_recover_finishes_afterwards(commands: Any) -> None:
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    words = ("run", "large.json", *RUN, "--input", '{"size": 5000000}')
    result = commands.call(*words, code=full)
    assert result.returncode == 1, result.stderr
    assert "error: the store is unavailable" in result.stderr
    assert "go on with\n  indelible recover --steps mysteps" in result.stderr
    assert "Traceback" not in result.stderr
    assert commands.invoke("recover", "--steps", "mysteps").exit_code == 0
    assert json.loads(commands.invoke("verify", "--json").stdout)["intact"]
