"""``parked`` and ``rebuild``: alone on a store, and through the process that serves it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.cli.render.progress_bar import Display
from indelible.events.model.event import EncodedEvent
from indelible.events.opening import open_store
from indelible.ids import Ids

VIEWS = """
import pathlib
import sqlalchemy as sa
from indelible import Projection
from indelible.events.model.run_events import RunAccepted

TABLES = sa.MetaData()
sa.Table("starts", TABLES, sa.Column("run", sa.Text, primary_key=True))

class Starts(Projection):
    name = "starts"
    tables = TABLES
    handles = (RunAccepted,)

    def apply(self, connection, events):
        if not pathlib.Path("mended").exists():
            raise ValueError("not mended")
        for recorded, _ in events:
            connection.execute(sa.insert(self.table("starts")), {"run": recorded.stream})

NUMBER = 7
TWICE = [Starts, Starts()]
"""
RUN = ("--steps", "mysteps", "--run-id")


KILLED_AT_5 = """
from indelible.failpoints import Failpoints, KillAt
import indelible.projections.engine.view_engine as engine
make = engine.Engine.__init__
def slow(self, store, types, projections, clock, failpoints, **more):
    failpoints = Failpoints({"view.before": KillAt(5)})
    make(self, store, types, projections, clock, failpoints, **more, batch=1)
engine.Engine.__init__ = slow
"""
"""Has a rebuild of a view die when four events are done."""


@pytest.fixture
def damaged(commands: Any) -> Any:
    """A store with a finished run and, behind it, an event that nobody can read."""
    (commands.home / "myviews.py").write_text(VIEWS)
    assert commands.invoke("run", "block.json", *RUN, "r1").exit_code == 0
    with closing(open_store("sqlite:///indelible.db")) as store:
        unreadable = EncodedEvent(Ids().uuid7(), "run.step_completed", 1, b"\x81\xa1x\x01", None)
        head = store.head("run-r1")
        assert head is not None
        store.append("run-r1", [unreadable], expected=head.version)
        commands.position = store.positions()[0]
    return commands


@pytest.fixture
def parked(damaged: Any) -> Any:
    """The same, and the views have come to it."""
    assert damaged.invoke("rebuild").exit_code == 0
    return damaged


def listed(commands: Any, *words: str) -> list[tuple[str, int, str]]:
    rows = json.loads(commands.invoke("parked", "list", *words, "--json").stdout)
    return [(row["projection"], row["position"], row["state"]) for row in rows]


def test_parked_events_are_listed_with_their_reason(parked: Any) -> None:
    assert listed(parked) == [
        ("metrics", parked.position, "parked"),
        ("workflow_status", parked.position, "parked"),
    ]
    assert listed(parked, "metrics") == [("metrics", parked.position, "parked")]
    text = parked.invoke("parked", "list").stdout
    assert "EventDecodeError" in "".join(text.split())
    assert parked.invoke("parked", "list", "--skipped").stdout == "nothing was skipped\n"
    assert parked.invoke("parked", "list", "other").stdout == "nothing is parked\n"


def test_a_retry_that_fails_says_so_and_is_recorded(parked: Any) -> None:
    where = ("metrics", "0", str(parked.position))
    result = parked.invoke("parked", "retry", *where, "--reason", "perhaps")
    assert result.exit_code == 1
    assert "still cannot apply" in result.stderr
    [event] = json.loads(parked.invoke("events", "projection-metrics", "--json").stdout)
    assert event["type"] == "projection.event_retried"
    assert event["payload"]["reason"] == "perhaps"
    assert event["payload"]["by"]
    assert len(listed(parked)) == 2


def test_a_skipped_event_is_listed_apart(parked: Any) -> None:
    where = ("metrics", "0", str(parked.position))
    result = parked.invoke("parked", "skip", *where, "--reason", "test data")
    assert result.exit_code == 0, result.output
    assert listed(parked) == [("workflow_status", parked.position, "parked")]
    assert listed(parked, "--skipped") == [("metrics", parked.position, "skipped")]


def test_an_event_that_is_not_parked_is_refused_and_nothing_recorded(parked: Any) -> None:
    for command in ("retry", "skip"):
        result = parked.invoke("parked", command, "metrics", "0", "1")
        assert result.exit_code == 1
        assert "has parked no event at position 1" in result.stderr
    assert parked.invoke("events", "projection-metrics").exit_code == 1


def test_a_view_of_ones_own_is_rebuilt_and_retried_once_it_is_mended(damaged: Any) -> None:
    mine = ("--projections", "myviews:Starts")
    assert damaged.invoke("rebuild", "starts", *mine).exit_code == 0
    assert listed(damaged, "starts") == [("starts", 1, "parked")]
    (damaged.home / "mended").touch()
    result = damaged.invoke("parked", "retry", "starts", "0", "1", *mine)
    assert result.exit_code == 0, result.output
    assert listed(damaged, "starts") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("myviews", "is not MODULE:NAME"),
        ("myviews:Missing", "has no Missing"),
        ("myviews:NUMBER", "is int"),
        ("myviews:TWICE", "exists already"),
        ("nosuch:VIEWS", "no module"),
    ],
)
def test_what_is_no_projection_is_refused(damaged: Any, given: str, said: str) -> None:
    result = damaged.invoke("rebuild", "--projections", given)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_a_running_process_rebuilds_and_decides_for_a_command(
    parked: Any, wait_for: Callable[..., str]
) -> None:
    owner = parked.start("run", "gated.json", *RUN, "r2")
    wait_for(owner.stderr, "at the gate")
    where = ("metrics", "0", str(parked.position))
    rows = json.loads(parked.invoke("rebuild", "metrics", "--json").stdout)
    assert rows[0]["events"] > parked.position
    assert parked.invoke("parked", "skip", *where).exit_code == 0
    assert listed(parked, "--skipped") == [("metrics", parked.position, "skipped")]
    result = parked.invoke("parked", "retry", *where)
    assert "still cannot apply" in result.stderr
    assert listed(parked, "metrics") == [("metrics", parked.position, "parked")]
    assert "no projection 'nosuch'" in parked.invoke("rebuild", "nosuch").stderr
    dropped = parked.invoke("rebuild", "--snapshots", "--json")
    assert json.loads(dropped.stdout) == {"snapshots_dropped": 0}
    os.close(os.open(parked.home / "gate", os.O_WRONLY))
    owner.communicate(timeout=50)
    assert owner.returncode == 0


class Served(NamedTuple):
    """What came of a rebuild by a service, and what was shown of it meanwhile: done and to do."""

    result: Any
    shown: set[tuple[int, int]]


@pytest.fixture
def rebuild_by_service(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], Served]:
    """Rebuilds a view by a service that returns once the command has looked how far it is."""
    shown: list[tuple[int, int]] = []
    looked = threading.Event()

    class Watched(Display):
        def update(self, done: int, total: int, doing: str = "") -> None:
            shown.append((done, total))
            looked.set()

    def rebuild(name: str) -> int:
        assert looked.wait(20)
        return len(name)

    def call(commands: Any, view: str) -> Served:
        monkeypatch.setattr("indelible.cli.tasks.rebuild_views.Display", Watched)
        monkeypatch.setattr("indelible.cli.tasks.rebuild_views._POLL", 0.01)
        with ActorSystem() as service:
            access_to(service).parts.process_commands.offer("rebuild", rebuild, slow=True)
            result = commands.invoke("rebuild", view, "--json")
            looked.set()
        return Served(result, set(shown))

    return call


def test_a_view_that_only_the_service_knows_is_rebuilt_before_it_has_ever_run(
    parked: Any, rebuild_by_service: Callable[[Any, str], Served]
) -> None:
    result, shown = rebuild_by_service(parked, "starts")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == [{"view": "starts", "events": len("starts")}]
    assert shown == {(0, parked.position)}


def test_a_rebuild_by_the_service_shows_how_far_it_has_come(
    damaged: Any, rebuild_by_service: Callable[[Any, str], Served]
) -> None:
    assert damaged.invoke("rebuild").exit_code == 0
    assert damaged.call("rebuild", "metrics", code=KILLED_AT_5).returncode == -9
    result, shown = rebuild_by_service(damaged, "metrics")
    assert result.exit_code == 0, result.output
    assert shown == {(4, damaged.position)}


@pytest.mark.parametrize(
    "words",
    [("rebuild", "metrics"), ("rebuild", "--snapshots"), ("parked", "skip", "metrics", "0")],
)
def test_a_command_whose_service_is_gone_says_so_and_goes_on_when_one_is_back(
    parked: Any, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    said, told = [], threading.Event()

    def say(text: str) -> None:
        said.append(text)
        told.set()

    monkeypatch.setattr("indelible.cli.watching.service_presence.say", say)
    monkeypatch.setattr("indelible.cli.watching.service_presence.CHECK_INTERVAL", 0.01)
    monkeypatch.setattr("indelible.service.service_watch.CHECK_INTERVAL", 0.01)
    for module in ("drop_snapshots", "decide_parked", "rebuild_views"):  # it was there a moment ago
        monkeypatch.setattr(f"indelible.cli.tasks.{module}.has_service", lambda _: True)
    if words[0] == "parked":
        words = (*words, str(parked.position))
    results: list[Any] = []
    command = threading.Thread(target=lambda: results.append(parked.invoke(*words)), daemon=True)
    command.start()
    assert told.wait(20)
    with ActorSystem():
        command.join(20)
    assert results[0].exit_code == 0, results[0].output
    assert said[0].startswith("no process serves sqlite:///")
    assert "start `indelible serve`" in said[0]


def test_a_rebuild_told_to_stop_says_what_is_known_of_its_service(
    parked: Any, wait_for: Callable[..., str]
) -> None:
    code = "import indelible.cli.tasks.rebuild_views as r\nr.has_service = lambda _: True"
    command = parked.start_fresh("rebuild", "metrics", code=code)
    wait_for(command.stderr, "is rebuilt by the process")
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=50)
    assert command.returncode == 130
    assert "the rebuild of metrics left unfinished: no process serves" in " ".join(said.split())


def test_an_interrupted_rebuild_says_that_it_goes_on(damaged: Any) -> None:
    assert damaged.invoke("rebuild").exit_code == 0
    assert damaged.call("rebuild", "metrics", code=KILLED_AT_5).returncode == -9
    result = damaged.invoke("rebuild", "metrics")
    assert "metrics: going on with an interrupted rebuild, 4 events are done" in result.stderr
    assert damaged.invoke("rebuild", "metrics").stderr.count("going on") == 0
