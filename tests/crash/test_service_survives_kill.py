"""kill -9 of `indelible serve` under load: the next one goes on, and a look from outside tells."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forked import COMMAND, PIPE, Forked
from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import StepCompleted
from indelible.service.survey import HEALTHY, UNHEALTHY, UNSERVED, Survey, take_survey

FULL = os.environ.get("INDELIBLE_FAULTS") == "1"
KILLS = {"sqlite": 30 if FULL else 4, "postgresql": 5 if FULL else 1}  # there a lease each
RUNS = 10
TYPES = run_event_types()

STEPS = """
import os
from indelible import step

@step("note")
def note(context):
    diary = os.open("diary", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(diary, f"{context.idempotency_key}\\n".encode())
    os.close(diary)
"""
DEFINITION = {"name": "w", "steps": [{"name": f"s{i}", "type": "note"} for i in range(20)]}


class Scene:
    """A store, the diary of its steps, and the service that is killed and started again."""

    def __init__(self, store: str, home: Path) -> None:
        self.store = store
        self.home = home
        self.runs: list[str] = []
        self._started: list[Forked] = []
        (home / "notes.py").write_text(STEPS)

    def start(self) -> Forked:
        """Start a service and return once it is ready."""
        words = ["serve", "--store", self.store, "--steps", "notes"]
        service = Forked(COMMAND, words, home=self.home, stdout=None, stderr=PIPE)
        self._started.append(service)
        assert service.stderr is not None
        seen = ""
        while " ready: " not in seen:
            line = service.stderr.readline()
            assert line, seen
            seen += line
        return service

    def end(self) -> None:
        """Kill what a failed test has left running."""
        for service in self._started:
            if service.poll() is None:
                service.kill()
                service.communicate()

    def submit(self) -> None:
        """Have the service accept some more runs."""
        first = len(self.runs)
        with ActorSystem(self.store, mode="client") as client:
            for number in range(first, first + RUNS):
                run = client.workflow_agent("a").start(DEFINITION, run_id=f"r{number}")
                self.runs.append(run.run_id)

    def diary(self) -> Counter[str]:
        file = self.home / "diary"
        return Counter(file.read_text().split() if file.exists() else [])

    def completed(self) -> dict[str, int]:
        """Steps that the log has completed, with how often the diary has them by now."""
        diary = self.diary()
        with ActorSystem(self.store, mode="read") as system:
            return {
                key: diary[key]
                for head in system.store.heads("run")
                for event in map(TYPES.decode, system.store.read(head.stream))
                if isinstance(event, StepCompleted)
                for key in [f"{head.stream.removeprefix('run-')}/{event.path}"]
            }

    def survey(self) -> Survey:
        with ActorSystem(self.store, mode="read") as system:
            return take_survey(access_to(system).parts)

    def survey_until(self, holds: Callable[[Survey], bool]) -> Survey:
        """Look now and then, since a look takes the time of the service that it looks at."""
        while not holds(survey := self.survey()):
            time.sleep(0.05)
        return survey


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    if request.param == "sqlite":
        store = f"sqlite:///{tmp_path}/runs.db"
    else:
        store = request.getfixturevalue("postgres_url")
    scene = Scene(store, tmp_path)
    yield scene
    scene.end()


def pids_alive(survey: Survey) -> set[int]:
    return {process.pid for process in survey.processes if process.alive}


@pytest.mark.timeout(900 if FULL else 120)
def test_a_killed_service_is_stale_and_the_next_one_finishes_its_runs(scene: Scene) -> None:
    rng = random.Random(5)  # noqa: S311 - when to kill
    dead: list[int] = []
    for _ in range(KILLS[scene.store.partition(":")[0].partition("+")[0]]):
        service = scene.start()
        scene.submit()
        wanted = rng.randrange(1, RUNS * 10) + sum(scene.diary().values())
        while sum(scene.diary().values()) < wanted:
            assert service.poll() is None
            if len(scene.completed()) == 20 * len(scene.runs):
                break
        service.kill()
        service.communicate()
        dead.append(service.pid)
        before = scene.completed()
        if len(dead) == 1:
            survey = scene.survey_until(
                lambda survey: survey.verdict != HEALTHY
            )  # a report gets old
            assert survey.verdict == UNHEALTHY
            assert f"process {service.pid} on " in survey.why[0]

        service = scene.start()
        with ActorSystem(scene.store, mode="client") as client:
            outcomes = {client.run(run).result(60)["status"] for run in scene.runs}
        assert outcomes == {"success"}
        after = scene.diary()
        again = {key: (count, after[key]) for key, count in before.items() if after[key] != count}
        assert not again, f"completed steps ran again: {again}"
        # Shards without runs may still be taken over, and the last report of the killed one be new.
        survey = scene.survey_until(
            lambda survey: survey.verdict == HEALTHY and dead[-1] not in pids_alive(survey)
        )
        assert pids_alive(survey) == {service.pid}
        assert {process.pid for process in survey.processes} == {service.pid, *dead}
        service.send_signal(signal.SIGTERM)
        service.communicate()
        assert service.returncode == 0
    assert scene.survey().verdict == UNHEALTHY  # dead ones, and nobody in their place
    assert len(scene.completed()) == 20 * len(scene.runs)


def test_a_service_that_leaves_in_order_leaves_no_trace(scene: Scene) -> None:
    service = scene.start()
    assert scene.survey().verdict == HEALTHY
    service.send_signal(signal.SIGTERM)
    service.communicate()
    survey = scene.survey()
    assert (survey.verdict, survey.processes) == (UNSERVED, [])
    assert json.dumps(list(survey.why)) == '["no process serves this store"]'
