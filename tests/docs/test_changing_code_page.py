"""The page about changing code says what is so: its code reads what older code has written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from indelible import ActorSystem, Decider, Event, RunExistsError, step
from indelible.api.facade import access_to
from indelible.cli.app import app
from indelible.errors import UnknownEventTypeError
from pages import Page, output_of, printed_by, run

PAGE = Page("docs/changing-code.md")


class Deposited(Event, frozen=True):
    """As it was before the page's change."""

    wire_name: ClassVar[str] = "account.deposited"
    euros: int


class Account(Decider[int]):
    """Likewise."""

    category = "account"
    event_types: ClassVar[Sequence[type[Event]]] = (Deposited,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> list[Event]:
        return [Deposited(message)]

    def evolve(self, state: int, event: Any) -> int:
        return state + int(event.euros)


class Renamed(Event, frozen=True):
    """With a new field that has a default, and without an old one."""

    wire_name: ClassVar[str] = "account.deposited"
    by: str = "cash"


class Counting(Account):
    event_types = (Renamed,)

    def evolve(self, state: int, event: Any) -> int:
        return state + int(event.by == "cash")


def test_the_new_code_reads_the_old_events_through_its_upcast(tmp_path: Path) -> None:
    with ActorSystem(f"sqlite:///{tmp_path}/copy.db", actors=[Account()]) as system:
        for euros in (3, 4):
            system.actor("account", "42").ask(euros)
    PAGE.write_files(tmp_path)
    replay = (tmp_path / "replay.py").read_text()
    assert output_of(replay, tmp_path) == printed_by(replay)


def test_old_code_sets_aside_what_new_code_has_written_and_goes_on(tmp_path: Path) -> None:
    PAGE.write_files(tmp_path)
    new = (
        "from account import Account\nfrom indelible import ActorSystem\n"
        "with ActorSystem('sqlite:///s.db', actors=[Account()]) as system:\n"
        "    system.actor('account', '42').ask(100)\n"
    )
    assert output_of(new, tmp_path) == []
    with ActorSystem(f"sqlite:///{tmp_path}/s.db", actors=[Account()]) as system:
        with pytest.raises(UnknownEventTypeError, match="schema 2"):
            system.actor("account", "42").ask(1)
        system.actor("account", "43").ask(1)
        assert system.actor("account", "43").state() == 1


def test_fields_with_a_default_may_come_and_fields_may_go(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with ActorSystem(url, actors=[Account()]) as system:
        system.actor("account", "42").ask(3)
    with ActorSystem(url, actors=[Counting()], mode="read") as system:
        assert system.actor("account", "42").state() == 1


def test_a_schema_without_its_upcasts_is_refused_where_it_is_registered() -> None:
    class Later(Event, frozen=True):
        wire_name: ClassVar[str] = "account.deposited"
        schema: ClassVar[int] = 2

    class Changed(Account):
        event_types = (Later,)

    with pytest.raises(ValueError, match="give one upcast for each of the schemas"):
        ActorSystem("memory://", actors=[Changed()]).open()


def test_a_run_keeps_its_definition_and_waits_for_a_type_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("indelible.cli.tasks.recovery_job._QUIET", 0.05)
    url = f"sqlite:///{tmp_path}/copy.db"
    old = {"name": "w", "steps": [{"name": "pay", "type": "charge", "params": {"amount": 5}}]}

    @step("charge")
    def charge(amount: int) -> int:
        return amount

    with ActorSystem(url, steps=[charge]) as system:
        access_to(system).parts.executor.hold()  # accept, and begin nothing
        system.workflow_agent("a").start(old, run_id="order-42")
        with pytest.raises(RunExistsError, match="another definition"):
            system.workflow_agent("a").start({**old, "name": "w2"}, run_id="order-42")
    PAGE.write_files(tmp_path)
    waits = CliRunner().invoke(app, ["recover", "--store", "sqlite:///copy.db"])
    assert waits.exit_code == 1
    assert "its type 'charge' is not registered" in waits.stdout
    words = ["indelible", "recover", "--store", "sqlite:///copy.db", "--steps", "steps_v2"]
    assert run(words, tmp_path).returncode == 0
    for line in PAGE.blocks("sh")[0].strip().splitlines():
        shown = CliRunner().invoke(app, line.replace("--until 3", "--until 1").split()[1:])
        assert shown.exit_code == 0, shown.output
