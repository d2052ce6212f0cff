"""`indelible serve`: it owns, resumes, says how it is, and leaves in order when told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.cli.options.actor_deciders import load_deciders
from indelible.cli.options.step_modules import StepEquipment
from indelible.cli.tasks.service_life import Readiness, ServiceLife
from indelible.service.health import take_health

SERVE = ("serve", "--steps", "mysteps")
SELDOM = "import indelible.reports as r\nr.INTERVAL = 3_600.0\nFUNCTIONS = {'same': str}\n"


def open_gate(commands: Any) -> None:
    """Let the step at the gate go on; waits until it is there."""
    os.close(os.open(commands.home / "gate", os.O_WRONLY))


@pytest.fixture
def gated(commands: Any, wait_for: Callable[..., str]) -> Any:
    """A store with a run that was killed while its second of three steps stood at the gate."""
    run = commands.start("run", "gated.json", "--steps", "mysteps", "--run-id", "r1")
    wait_for(run.stderr, "at the gate")
    run.kill()
    run.communicate()
    return commands


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a process that ends by itself."""
    stdout, stderr = process.communicate(timeout=50)
    return process.returncode, stdout, stderr


def test_a_service_is_ready_until_it_is_told_to_stop(
    commands: Any, wait_for: Callable[..., str]
) -> None:
    service = commands.start(*SERVE, "--name", "api", "--ready-file", "ready")
    seen = wait_for(service.stderr, " ready: ")
    assert "start: process" in seen
    assert (commands.home / "ready").read_text() == f"{service.pid}\n"
    health = commands.invoke("health", "--json")
    assert health.exit_code == 0, health.output
    [process] = json.loads(health.stdout)["processes"]
    assert (process["name"], process["pid"]) == ("api", service.pid)
    service.send_signal(signal.SIGTERM)
    code, stdout, stderr = ended(service)
    assert (code, stdout) == (0, "")
    assert "drain: no step or call runs" in stderr
    assert "stop: all steps and calls had returned" in stderr
    assert not (commands.home / "ready").exists()
    assert commands.invoke("health").exit_code == 2


def test_a_service_finishes_what_was_cut_off(gated: Any, wait_for: Callable[..., str]) -> None:
    service = gated.start(*SERVE)
    seen = wait_for(service.stderr, "at the gate")
    with ActorSystem("sqlite:///indelible.db", mode="read") as system:
        open_gate(gated)
        assert system.run("r1").result(40)["status"] == "success"
    service.send_signal(signal.SIGINT)
    code, _, rest = ended(service)
    assert code == 0
    assert "resuming 1 unfinished run" in seen + rest  # the step may be quicker than these words
    assert gated.notes() == ["first", "wait", "wait", "last"]


def test_a_step_that_returns_while_the_service_drains_is_kept(
    gated: Any, wait_for: Callable[..., str]
) -> None:
    service = gated.start(*SERVE, "--drain", "40")
    wait_for(service.stderr, "at the gate")
    service.send_signal(signal.SIGTERM)
    wait_for(service.stderr, "drain: 1 step running, 40 s to return")
    open_gate(gated)
    code, _, stderr = ended(service)
    assert code == 0, stderr
    status = json.loads(gated.invoke("show", "r1", "--json").stdout)
    assert [step["state"] for step in status["steps"]] == ["completed", "completed", "pending"]


def test_a_service_says_what_it_leaves_behind(gated: Any, wait_for: Callable[..., str]) -> None:
    service = gated.start(*SERVE, "--drain", "0")
    wait_for(service.stderr, "at the gate")
    service.send_signal(signal.SIGTERM)
    code, _, stderr = ended(service)
    assert code == 3
    assert "left behind: r1/wait; to run again at the next start" in stderr


def test_health_says_that_a_service_drains(gated: Any, wait_for: Callable[..., str]) -> None:
    (gated.home / "seldom.py").write_text(SELDOM)
    service = gated.start(*SERVE, "--steps", "seldom", "--drain", "40")
    wait_for(service.stderr, "at the gate")
    service.send_signal(signal.SIGTERM)
    wait_for(service.stderr, "drain: ")
    state, code = "", 0
    while state != "draining":  # it says so at once, whenever its next report is due
        health = gated.invoke("health", "--json")
        state, code = json.loads(health.stdout)["processes"][0]["health"]["state"], health.exit_code
    assert code == 1
    open_gate(gated)
    assert ended(service)[0] == 0


def test_a_second_signal_ends_at_once_and_says_what_is_left(
    gated: Any, wait_for: Callable[..., str]
) -> None:
    service = gated.start(*SERVE, "--drain", "40", "--ready-file", "ready")
    wait_for(service.stderr, "at the gate")
    service.send_signal(signal.SIGTERM)
    wait_for(service.stderr, "drain: ")
    service.send_signal(signal.SIGTERM)
    code, _, stderr = ended(service)
    assert code == 128 + signal.SIGTERM
    assert "stop: at once; left behind: r1/wait" in stderr
    assert not (gated.home / "ready").exists()


def test_who_cannot_own_the_store_says_who_does(
    commands: Any, wait_for: Callable[..., str]
) -> None:
    first = commands.start(*SERVE)
    wait_for(first.stderr, " ready: ")
    second = commands.call(*SERVE)
    assert second.returncode == 1
    assert f"pid {first.pid}" in second.stderr
    first.send_signal(signal.SIGTERM)
    assert ended(first)[0] == 0


def test_a_standby_takes_over_the_moment_the_owner_dies(
    gated: Any, wait_for: Callable[..., str]
) -> None:
    first = gated.start(*SERVE)
    wait_for(first.stderr, "at the gate")
    standby = gated.start(*SERVE, "--standby", "--ready-file", "ready")
    wait_for(standby.stderr, f"standby: process {first.pid} on ")
    assert not (gated.home / "ready").exists()
    first.kill()
    first.communicate()
    seen = wait_for(standby.stderr, "at the gate")
    with ActorSystem("sqlite:///indelible.db", mode="read") as system:
        open_gate(gated)
        assert system.run("r1").result(40)["status"] == "success"
    standby.send_signal(signal.SIGTERM)
    code, _, rest = ended(standby)
    assert code == 0
    assert "resuming 1 unfinished run" in seen + rest


def test_a_standby_can_be_told_to_stop(commands: Any, wait_for: Callable[..., str]) -> None:
    first = commands.start(*SERVE)
    wait_for(first.stderr, " ready: ")
    standby = commands.start(*SERVE, "--standby")
    wait_for(standby.stderr, "standby: ")
    standby.send_signal(signal.SIGTERM)
    code, _, stderr = ended(standby)
    assert code == 0
    assert "nothing was begun" in stderr
    first.send_signal(signal.SIGTERM)
    assert ended(first)[0] == 0


def test_each_line_can_be_json(gated: Any, wait_for: Callable[..., str]) -> None:
    service = gated.start(*SERVE, "--json", "--drain", "0")
    wait_for(service.stderr, "at the gate")  # what steps print stays apart
    service.send_signal(signal.SIGTERM)
    code, stdout, _ = ended(service)
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert code == 3
    events = [line["event"] for line in lines if "event" in line]
    assert events == ["start", "ready", "drain", "stop"]
    assert all({"at", "level", "logger", "message"} <= set(line) for line in lines)
    assert [line["message"] for line in lines if line["level"] == "warning"]


def test_the_last_words_are_json_too(gated: Any, wait_for: Callable[..., str]) -> None:
    service = gated.start(*SERVE, "--json", "--drain", "40")
    wait_for(service.stderr, "at the gate")
    service.send_signal(signal.SIGTERM)
    wait_for(service.stdout, '"drain"')
    service.send_signal(signal.SIGINT)
    code, stdout, _ = ended(service)
    assert code == 128 + signal.SIGINT
    last = json.loads(stdout.splitlines()[-1])
    assert (last["event"], last["level"]) == ("stop", "warning")
    assert "r1/wait" in last["message"]


def test_a_service_whose_store_is_taken_away_ends(commands: Any) -> None:
    code = """
from indelible.cli.tasks.service_life import Readiness
from indelible.api.system import ActorSystem
open_, update, systems = ActorSystem.open, Readiness.update, []
def opened(self):
    systems.append(self)
    return open_(self)
def seen(self, health):
    update(self, health)
    systems[-1].store.close()
ActorSystem.open, Readiness.update = opened, seen
"""
    result = commands.call(*SERVE, code=code)
    assert result.returncode == 4, result.stderr
    assert "was taken away from this process" in result.stderr


def test_actors_of_a_module_are_served(commands: Any, wait_for: Callable[..., str]) -> None:
    (commands.home / "bank.py").write_text(ACTORS)
    service = commands.start("serve", "--actors", "bank:PURSE")
    wait_for(service.stderr, " ready: ")
    actors = load_deciders(["bank:ALL"])
    with ActorSystem("sqlite:///indelible.db", mode="client", actors=actors) as client:
        assert client.actor("purse", "ann").ask(3) == 3
    service.send_signal(signal.SIGTERM)
    assert ended(service)[0] == 0


@pytest.mark.parametrize("name", ["Purse", "PURSE", "ALL"])
def test_actors_are_given_as_an_object_a_class_or_a_list(commands: Any, name: str) -> None:
    (commands.home / "bank.py").write_text(ACTORS)
    assert [decider.category for decider in load_deciders([f"bank:{name}"])] == ["purse"]


ACTORS = """
from typing import ClassVar
from indelible import Decider, Decision, Event

class Put(Event):
    wire_name: ClassVar[str] = "purse.put"
    amount: int

class Purse(Decider[int]):
    category = "purse"
    event_types = (Put,)

    def initial_state(self):
        return 0

    def decide(self, state, amount):
        return Decision([Put(amount)], reply=state + amount)

    def evolve(self, state, event):
        return state + event.amount

PURSE = Purse()
ALL = [Purse]
NONE = 7
"""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--actors", "bank"), "is not MODULE:NAME"),
        (("--actors", "nobank:ALL"), "no module 'nobank'"),
        (("--actors", "bank:OTHER"), "bank has no OTHER"),
        (("--actors", "bank:NONE"), "bank:NONE is int"),
        (("--steps", "nosteps"), "no module 'nosteps'"),
        (("--ready-file", "nowhere/ready"), "no directory nowhere"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_is_made(
    commands: Any, words: tuple[str, ...], says: str
) -> None:
    (commands.home / "bank.py").write_text(ACTORS)
    result = commands.invoke("serve", *words)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert not (commands.home / "indelible.db").exists()


def test_a_module_that_sets_up_logging_keeps_its_way(
    commands: Any, wait_for: Callable[..., str]
) -> None:
    (commands.home / "loud.py").write_text(
        "import logging\nfrom indelible import step\n"
        "logging.basicConfig(format='MINE %(message)s', level=logging.INFO)\n"
        "@step('x')\ndef x(): pass\n"
    )
    service = commands.start("serve", "--steps", "loud")
    seen = wait_for(service.stderr, "ready: ")
    assert "MINE ready: " in seen
    service.send_signal(signal.SIGTERM)
    code, _, stderr = ended(service)
    assert code == 0
    assert stderr.count("stop: ") == 1


def test_the_ready_file_goes_with_a_process_that_ends_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ready"
    with ActorSystem("memory://") as system:
        readiness = Readiness(file)
        readiness.update(take_health(access_to(system).parts))
        assert file.exists()
    service = ServiceLife(
        store="memory://",
        equipment=StepEquipment([], {}, {}),
        deciders=[],
        name="",
        drain=1.0,
        max_threads=1,
        standby=False,
        ready_file=file,
        as_json=False,
    )
    service._end_at_once(system, readiness)
    assert not file.exists()
    assert "stop: at once; no step or call was running" in capfd.readouterr().err
