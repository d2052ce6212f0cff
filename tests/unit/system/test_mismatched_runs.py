"""Rows that say that a run only waits, or waits longer, are not believed where a view differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from at_rest import edit
from gate import Gate
from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.events.opening import open_store
from indelible.events.store import StreamHead
from indelible.runs import mismatched_runs
from indelible.runs.mismatched_runs import ViewRow, _row_agrees
from until import eventually

HOUR = 3_600
RETRY = {"attempts": 2, "delay": HOUR, "max_delay": HOUR, "jitter": 0}
WAITS = {"name": "waits", "steps": [{"name": "s", "type": "flaky", "retry": RETRY}]}
RUNS = {"name": "runs", "steps": [{"name": "s", "type": "gate"}]}
WAITING = 40


class Scene:
    """A store whose process has ended: many runs that wait for an hour, and one under way."""

    def __init__(self, url: str) -> None:
        self.url, self.gate, self.clock = url, Gate(), ManualClock(now=1_700_000_000_000_000)
        self.tried: list[str] = []
        self.looked: list[str] = []
        with self.system() as system:
            agent = system.workflow_agent("a")
            agent.start(RUNS, run_id="under-way")
            assert self.gate.waiting.acquire(timeout=30)
            agent.start_many([(f"r{n}", None) for n in range(WAITING)], WAITS)
            eventually(lambda: len(self.tried) == WAITING)
            assert system.caught_up(timeout=30)
            eventually(lambda: len(system.store.sleeping().heads) == WAITING)
            assert system.caught_up(timeout=30)
        self.gate.is_open = True
        self.tried.clear()

    def system(self) -> ActorSystem:
        def flaky(context: Any, step: Any) -> None:
            self.tried.append(context.run_id)
            if context.attempt == 1:
                raise ValueError("not yet")

        system = ActorSystem(self.url, clock=self.clock, drain=0.1, steps=self.gate.steps())
        system.register_step("flaky", flaky)
        return system

    def an_hour_later(self, system: ActorSystem, *run_ids: str) -> None:
        """See each of these runs retried once; not where leases would be over by then."""
        if self.url.startswith("sqlite"):
            self.clock.advance(HOUR)
            assert {system.run(one).result(30)["status"] for one in run_ids} == {"success"}
            assert set(self.tried) >= set(run_ids)
            assert len(self.tried) == len(set(self.tried))

    def edit(self, change: str, run_id: str) -> None:
        edit(self.url, f"UPDATE streams SET {change} WHERE name = 'run-{run_id}'")


@pytest.fixture
def scene(each_url: str) -> Scene:
    if each_url.startswith("postgresql"):
        open_store(each_url, shards=2).close()
    return Scene(each_url)


def in_memory(system: ActorSystem) -> set[str]:
    return {actor.stream for actor in access_to(system).parts.directory}


def test_opening_wakes_what_runs_and_leaves_what_waits(scene: Scene) -> None:
    with scene.system() as system:
        assert in_memory(system) <= {"run-under-way"}
        assert system.run("under-way").result(30)["status"] == "success"
        scene.an_hour_later(system, *(f"r{n}" for n in range(WAITING)))


@pytest.mark.parametrize(
    "change",
    [
        *("status = 'waiting'", "wake_at = 9000000000000000", "wake_at = -1"),
        "status = 'waiting', wake_at = 9000000000000000",
        "status = '', wake_at = 9000000000000000",
    ],
)
def test_a_run_under_way_whose_row_says_that_it_waits_goes_on(scene: Scene, change: str) -> None:
    scene.edit(change, "under-way")
    with scene.system():
        eventually(lambda: bool(scene.gate.ran) or scene.gate.waiting.acquire(blocking=False))


@pytest.mark.parametrize("change", ["wake_at = 9000000000000000", "wake_at = 0, status='waiting'"])
def test_a_run_whose_row_says_that_it_waits_longer_is_retried_in_time(
    scene: Scene, change: str
) -> None:
    scene.edit(change, "r7")
    with scene.system() as system:
        eventually(lambda: "run-r7" in in_memory(system))
        assert not in_memory(system) - {"run-r7", "run-under-way"}
        scene.an_hour_later(system, "r7")


def test_a_view_that_cannot_tell_has_its_runs_looked_at(scene: Scene) -> None:
    edit(scene.url, "UPDATE workflow_status SET steps_retrying = 0 WHERE run_id = 'r7'")
    with scene.system() as system:
        eventually(lambda: "run-r7" in in_memory(system))
        scene.an_hour_later(system, "r7")


def test_many_are_compared_page_by_page(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mismatched_runs, "PAGE", 7)
    for run_id in ("r0", "r17", f"r{WAITING - 1}"):
        scene.edit("wake_at = 9000000000000000", run_id)
    with scene.system() as system:
        wanted = {"run-r0", "run-r17", f"run-r{WAITING - 1}"}
        eventually(lambda: wanted <= in_memory(system))
        assert not in_memory(system) - wanted - {"run-under-way"}


def test_waiting_runs_cost_no_query_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/a.db")
    from indelible.events.sqlite.store import SqlEventStore

    heads: list[str] = []
    head = SqlEventStore.head

    def counting(store: SqlEventStore, stream: str) -> Any:
        heads.append(stream)
        return head(store, stream)

    monkeypatch.setattr(SqlEventStore, "head", counting)
    with scene.system():
        assert len(heads) <= 1


@pytest.mark.parametrize(
    ("running", "retrying", "unknown", "wake_at", "fits"),
    [
        (0, 1, 0, 5, True),
        (1, 1, 0, 5, False),
        (0, 1, 0, 6, False),
        (0, 0, 1, 0, True),
        (0, 0, 0, 5, False),
    ],
)
def test_a_row_fits_what_waits_by_the_view_and_nothing_that_runs(
    running: int, retrying: int, unknown: int, wake_at: int, fits: bool
) -> None:
    row = ViewRow("r", 1, 1, running, retrying, unknown, 5)
    status = "waiting" if unknown else "running"
    assert _row_agrees(row, StreamHead("run-r", "run", 3, status, wake_at)) is fits
