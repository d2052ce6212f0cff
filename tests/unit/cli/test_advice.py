"""A command that cannot help says what does, as a line that can be pasted."""

from __future__ import annotations

import json
import os
import shlex
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from indelible import ActorSystem, RefusedError, ResultTimeoutError, step
from indelible.api.facade import access_to
from indelible.cli.watching.blocked_runs_log import BlockedRunsLog

STORE = "sqlite:///a b.db"
HERE = ("--store", STORE)
RETRY = "indelible resolve r1 wait retry --store 'sqlite:///a b.db'"


@pytest.fixture
def cut_off(commands: Any) -> Callable[..., None]:
    """Starts a run whose step ``wait`` is cut off, so that only a person knows its outcome."""

    def start(store: str = STORE, run_id: str = "r1", *names: str) -> None:
        steps = [
            {"name": name, "type": "stand", "on_unknown_outcome": "ask"}
            for name in names or ("wait",)
        ]
        began, go_on = threading.Semaphore(0), threading.Event()

        @step("stand")
        def stand() -> None:
            began.release()
            go_on.wait(50)

        definition = {"name": "asks", "pattern": "parallel", "steps": steps}
        with ActorSystem(store, steps=[stand], drain=0) as system:
            system.workflow_agent("a").start(definition, run_id=run_id)
            for _ in steps:
                assert began.acquire(timeout=20)
        go_on.set()
        with ActorSystem(store, steps=[stand]) as system:  # and this opening finds it
            assert system.run(run_id).status()["state"] == "waiting"

    return start


def flat(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_show_names_the_line_that_resolves_what_a_run_waits_for(
    commands: Any, cut_off: Callable[..., None]
) -> None:
    cut_off()
    result = commands.invoke("show", "r1", *HERE)
    assert "step 'wait': its outcome is unknown" in flat(result.stdout)
    assert f"\n  {RETRY}\n" in result.stderr
    assert "retry, fail, or complete with --result" in result.stderr
    assert RETRY not in commands.invoke("show", "r1", *HERE, "--as-of", "1").stderr


def test_the_line_that_is_named_works_as_it_stands(
    commands: Any, cut_off: Callable[..., None]
) -> None:
    cut_off()
    [line] = [
        line
        for line in commands.invoke("show", "r1", *HERE).stderr.splitlines()
        if line.startswith("  indelible")
    ]
    words = shlex.split(line)[1:]
    assert commands.invoke(*words).exit_code == 0
    status = json.loads(commands.invoke("show", "r1", *HERE, "--json").stdout)
    assert status["steps"][0]["attempts"] == 2


@pytest.mark.parametrize("command", ["run", "recover"])
def test_a_command_that_waits_in_vain_names_the_line_with_its_steps(
    commands: Any, cut_off: Callable[..., None], command: str
) -> None:
    cut_off()
    (commands.home / "asks.py").write_text(
        "from indelible import step\n@step('stand')\ndef stand(): return 1\n"
    )
    (commands.home / "asks.json").write_text(
        '{"name": "asks", "pattern": "parallel",'
        ' "steps": [{"name": "wait", "type": "stand", "on_unknown_outcome": "ask"}]}'
    )
    words = {"run": ("run", "asks.json", "--run-id", "r1", "--agent", "a"), "recover": ("recover",)}
    result = commands.invoke(*words[command], *HERE, "--steps", "asks")
    assert result.exit_code == 1, result.output
    assert f"\n  {RETRY} --steps asks\n" in result.stderr


def test_many_waiting_steps_are_counted_rather_than_listed(
    commands: Any, cut_off: Callable[..., None]
) -> None:
    cut_off(STORE, "r1", *(f"s{number}" for number in range(7)))
    said = commands.invoke("show", "r1", *HERE).stderr
    assert said.count("indelible resolve") == 5
    assert "2 more steps" in said


def test_a_wait_for_the_result_names_the_command_in_its_error(
    commands: Any, cut_off: Callable[..., None]
) -> None:
    cut_off()
    with ActorSystem(STORE) as system:
        run = system.run("r1")
        with pytest.raises(ResultTimeoutError, match="indelible resolve r1 wait retry"):
            run.result(0.01)
        with pytest.raises(RefusedError, match="it waits for 'wait'"):
            run.resolve_step("weight", "retry", by="ann")


def test_a_wrong_step_name_lists_the_steps_that_wait(
    commands: Any, cut_off: Callable[..., None]
) -> None:
    cut_off()
    wrong = commands.invoke("resolve", "r1", "weight", "retry", *HERE)
    assert wrong.exit_code == 1
    assert "does not wait for the outcome of step 'weight'; it waits for 'wait'" in wrong.stderr
    assert commands.invoke("resolve", "r1", "wait", "fail", *HERE).exit_code == 0
    late = commands.invoke("resolve", "r1", "wait", "retry", *HERE)
    assert "the run has ended" in late.stderr


@pytest.mark.parametrize("service_runs", [True, False])
def test_complete_needs_a_result_and_the_other_actions_take_none(
    commands: Any, cut_off: Callable[..., None], *, service_runs: bool
) -> None:
    cut_off()
    system = ActorSystem(STORE)
    if service_runs:
        system.open()
    bare = commands.invoke("resolve", "r1", "wait", "complete", *HERE)
    assert bare.exit_code == 2
    assert "--result" in flat(bare.stderr)
    assert "null" in flat(bare.stderr)
    extra = commands.invoke("resolve", "r1", "wait", "retry", "--result", "1", *HERE)
    assert extra.exit_code == 2
    assert "complete" in flat(extra.stderr)
    null = commands.invoke("resolve", "r1", "wait", "complete", "--result", "null", *HERE)
    system.close()
    assert null.exit_code == 0, null.output
    shown = json.loads(commands.invoke("show", "r1", *HERE, "--json").stdout)
    assert (shown["outcome"], shown["results"]) == ("success", {"wait": None})


def test_a_user_without_a_name_can_resolve_a_step(
    commands: Any, cut_off: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unnamed() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    cut_off()
    monkeypatch.setattr("getpass.getuser", unnamed)
    result = commands.invoke("resolve", "r1", "wait", "complete", "--result", "1", *HERE)
    assert result.exit_code == 0, result.output
    events = json.loads(commands.invoke("events", "r1", *HERE, "--json").stdout)
    assert [e["payload"]["by"] for e in events if "by" in e["payload"]] == [f"uid {os.getuid()}"]


def test_a_step_resolved_for_a_retry_is_not_begun_by_the_command_that_says_so(
    commands: Any, cut_off: Callable[..., None]
) -> None:
    cut_off()
    (commands.home / "asks.py").write_text(
        "from pathlib import Path\nfrom indelible import step\n"
        "@step('stand')\ndef stand(): Path('began').touch()\n"
    )
    result = commands.invoke("resolve", "r1", "wait", "retry", *HERE, "--steps", "asks")
    assert result.exit_code == 0, result.output
    assert not (commands.home / "began").exists()
    assert "indelible recover --store 'sqlite:///a b.db' --steps asks" in result.stderr
    assert commands.invoke("recover", *HERE, "--steps", "asks").exit_code == 0
    assert (commands.home / "began").exists()


def test_a_missing_step_type_is_to_be_given_by_the_command_line(commands: Any) -> None:
    result = commands.invoke("run", "block.json", *HERE)
    assert result.exit_code == 1
    assert "unknown step type 'note'" in result.stderr
    assert "--steps MODULE" in result.stderr
    other = commands.invoke("run", "failing.json", "--steps", "mysteps", "--input", "[1]")
    assert "--steps" not in other.stderr


def test_a_missing_step_type_of_a_service_is_to_be_given_to_the_service(
    commands: Any, cut_off: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.cli.tasks.recovery_job._QUIET", 0.05)
    cut_off()
    with ActorSystem(STORE) as system:
        system.run("r1").resolve_step("wait", "retry", by="ann")
        result = commands.invoke("recover", *HERE)
        assert "start the process that owns the store anew, with --steps" in result.stderr
        assert "indelible recover" not in result.stderr
    assert result.exit_code == 1
    alone = commands.invoke("recover", *HERE)
    assert f"indelible recover --store '{STORE}' --steps MODULE" in alone.stderr


def test_recover_says_which_runs_it_does_not_touch(commands: Any) -> None:
    run_a_quarantined(STORE)
    result = commands.invoke("recover", *HERE)
    assert (result.exit_code, result.stdout) == (0, "no unfinished run\n")
    assert "1 run is quarantined" in result.stderr
    assert "indelible runs --state quarantined --store 'sqlite:///a b.db'" in result.stderr


def run_a_quarantined(store: str) -> None:
    """A run whose step was cut off again and again."""
    began = threading.Semaphore(0)
    go_on = threading.Event()

    @step("stand")
    def stand() -> None:
        began.release()
        go_on.wait(50)

    definition = {"name": "falls", "steps": [{"name": "wait", "type": "stand"}]}
    with ActorSystem(store, steps=[stand], drain=0) as system:
        system.workflow_agent("a").start(definition, run_id="q1")
        assert began.acquire(timeout=20)
    while True:
        with ActorSystem(store, steps=[stand], drain=0) as system:
            if system.run("q1").status()["state"] == "quarantined":
                break
            assert began.acquire(timeout=20)
    go_on.set()


def test_a_service_logs_what_waits_for_a_person_and_what_it_lacks(
    commands: Any, cut_off: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    cut_off(STORE, "old")
    with ActorSystem(STORE) as system:
        attention = BlockedRunsLog(system, STORE)
        attention.check()
        attention.check()
        [old] = [one for one in caplog.messages if one.startswith("waiting: ")]
        assert "indelible resolve old wait retry --store 'sqlite:///a b.db'" in old
        system.run("old").resolve_step("wait", "retry", by="ann")
        while not len(access_to(system).executor.unregistered):
            system.run("old").status()
        attention.check()
        attention.check()
    lacking = [one for one in caplog.messages if "cannot run here" in one]
    assert len(lacking) == 1
    assert "1 step of type 'stand'" in lacking[0]


def test_a_service_logs_a_run_that_comes_to_wait_while_it_serves(
    commands: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Recorded(NamedTuple):
        type: str
        stream: str

    with ActorSystem(STORE) as system:
        attention = BlockedRunsLog(system, STORE)
        system.register_step("now", lambda context, step: 1)
        definition = {"name": "w", "steps": [{"name": "one", "type": "now"}]}
        for number in range(22):
            run = f"r{number}"
            system.workflow_agent("a").start(definition, run_id=run).result(20)
            attention._on_commit([Recorded("run.step_outcome_unknown", f"run-{run}")])  # type: ignore[list-item]
        attention.check()
    assert [one for one in caplog.messages if "2 more runs may wait" in one]
