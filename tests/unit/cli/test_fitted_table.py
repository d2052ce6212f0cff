"""Ids are whole in every table, however narrow the terminal: other columns are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.cli.render.fitted_table import Column, FittedTable, UncutTable
from indelible.events.model.event import EncodedEvent
from indelible.events.opening import open_store
from indelible.ids import Ids

USUAL = "01a21e54-a3f0-7000-8d06-367388770269"
LONG = "the-orders-of-all-customers/of-2013-01-31/in-every-currency-that-we-know/again-7"
RUNS = ("z1", USUAL, LONG)
BLOCK, STEP = "load-what-has-changed", "customers-of-the-last-hour"
WORKFLOW = {
    "name": "orders-and-their-customers",
    "steps": [{"name": BLOCK, "steps": [{"name": STEP, "type": "quick"}]}],
}
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(params=[60, 80])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Of the terminal to which the command writes."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("FORCE_COLOR", "1")
    width: int = request.param
    return width


@pytest.fixture
def accepted(commands: Any) -> Any:
    """A store with runs that nothing has begun."""
    with ActorSystem() as system:
        system.register_step("quick", lambda context, step: 1)
        access_to(system).executor.hold()
        for run_id in RUNS:
            system.workflow_agent("a").start(WORKFLOW, run_id=run_id)
    return commands


@pytest.fixture
def finished(accepted: Any) -> Any:
    """The same, and they have ended."""
    with ActorSystem() as system:
        system.register_step("quick", lambda context, step: 1)
        for run_id in RUNS:
            system.run(run_id).result(20)
    return accepted


def lines_of(commands: Any, *words: str) -> list[str]:
    """What a command writes to the terminal, without colours."""
    result = commands.invoke(*words)
    return [line.rstrip() for line in COLOURS.sub("", result.stdout).splitlines()]


def first_words(lines: Sequence[str]) -> list[str]:
    return [line.split()[0] for line in lines if line.split()]


def test_runs_shows_whole_ids_and_leaves_out_what_matters_less(finished: Any, width: int) -> None:
    lines = lines_of(finished, "runs")
    assert first_words(lines)[2:] == [LONG, USUAL, "z1"]
    assert lines[0].split() == ["run", "state", "steps"]  # the longest is as wide as the terminal
    assert lines[3].split() == [USUAL, "success", "1/1"]


def test_runs_keeps_the_workflow_where_80_columns_have_room_for_it(
    commands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ActorSystem() as system:
        system.register_step("quick", lambda context, step: 1)
        system.workflow_agent("a").start(WORKFLOW, run_id=USUAL).result(20)
    for width, titles in ((80, ["workflow", "state", "steps"]), (60, ["state", "steps"])):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = lines_of(commands, "runs")
        shown = [title for title in lines[0].split() if title != "took"]  # if it is short enough
        assert shown == ["run", *titles]
        assert max(map(len, lines)) <= width


def test_recover_shows_whole_ids(accepted: Any, width: int, monkeypatch: Any) -> None:
    monkeypatch.setattr("indelible.cli.tasks.recovery_job._QUIET", 0.05)
    lines = lines_of(accepted, "recover")
    assert lines[0].split() == ["run", "state", "steps"]
    assert sorted(first_words(lines)[2:5]) == sorted(RUNS)
    assert {line.split()[1] for line in lines[2:5]} == {"waiting"}


def test_show_names_the_run_and_its_steps_whole(finished: Any, width: int) -> None:
    lines = lines_of(finished, "show", LONG)
    assert lines[0] == f"run {LONG}  success"
    [title] = [line for line in lines if line.startswith("step ")]
    [step] = [line for line in lines if line.startswith(f"{BLOCK}/{STEP} ")]
    assert title.split()[:2] == ["step", "state"]
    assert step.split()[1] == "completed"
    assert "started" not in title
    assert max(len(title), len(step)) <= width


def test_show_in_full_leaves_out_no_column(finished: Any, width: int) -> None:
    lines = lines_of(finished, "show", USUAL, "--full")
    [title] = [line for line in lines if line.startswith("step ")]
    assert title.split() == ["step", "type", "state", "attempts", "started", "took"]
    [step] = [line for line in lines if line.startswith(f"{BLOCK}/{STEP} ")]
    assert step.split()[1:4] == ["quick", "completed", "1"]
    assert len(step) > width


def test_run_and_replay_name_the_run_whole(finished: Any, width: int) -> None:
    (finished.home / "mine.json").write_text('{"name": "w", "steps": [{"type": "note"}]}')
    lines = lines_of(finished, "run", "mine.json", "--steps", "mysteps", "--run-id", f"{LONG}-2")
    assert lines[0].startswith(f"run {LONG}-2  success in ")
    assert lines_of(finished, "replay", LONG)[0] == f"run {LONG}  success"


def test_parked_events_are_listed_with_their_whole_stream(finished: Any, width: int) -> None:
    with closing(open_store("sqlite:///indelible.db")) as store:
        unreadable = EncodedEvent(Ids().uuid7(), "run.step_completed", 1, b"\x81\xa1x\x01", None)
        head = store.head(f"run-{LONG}")
        assert head is not None
        store.append(head.stream, [unreadable], expected=head.version)
        position = store.positions()[0]
    assert finished.invoke("rebuild").exit_code == 0
    lines = lines_of(finished, "parked", "list")
    where = f"metrics 0 {position}  run.step_completed of run-{LONG} ({head.version + 1}), "
    assert lines[0].startswith(where)


def drawn(table: FittedTable, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width)
    if isinstance(table, UncutTable):
        table.write(console)
    else:
        console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


COLUMNS = (Column("id"), Column("what", 2), Column("n", 1, right=True))
ROW = (Text("x" * 10), Text("12345678"), Text("7"))


@pytest.mark.parametrize("kind", [FittedTable, UncutTable])
@pytest.mark.parametrize(
    ("width", "titles"),
    [(100, "id what n"), (23, "id what n"), (22, "id n"), (13, "id n"), (12, "id"), (10, "id")],
)
def test_a_column_is_left_out_only_where_the_table_is_too_wide_with_it(
    kind: type[FittedTable], width: int, titles: str
) -> None:
    title, _, row = drawn(kind(COLUMNS, [ROW]), width)
    assert title.split() == titles.split()
    assert row.split()[0] == "x" * 10


def test_where_the_ids_alone_are_too_wide_lines_are_cut_or_whole() -> None:
    rows = [(Text("x" * 10), Text("on"))]
    columns = (Column("id"), Column("state"))
    assert "…" in drawn(FittedTable(columns, rows), 8)[2]
    assert drawn(UncutTable(columns, rows), 8)[2] == "x" * 10 + "  on"
