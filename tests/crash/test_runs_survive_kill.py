"""kill -9 at named places and at random moments: accepted runs end, no completed step again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from indelible import ActorSystem
from indelible.events.run_events import RunAccepted, RunCompleted, StepCompleted, StepsStarted
from indelible.events.types import run_event_types

CHILD = Path(__file__).with_name("run_child.py")
RUNS = 12
FULL = os.environ.get("INDELIBLE_FAULTS") == "1"
PLACES = ("commit.begun", "commit.before", "commit.after", "ack.after", "step.before", "step.after")
KILLS = 40 if FULL else 3
STEPS = {"first", "left", "right", "d1", "d2", "shaky", "last"}


class Scene:
    """A store, the diary that the steps keep, and the children that were started on it."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "runs.db"
        self.diary = folder / "diary"
        self.accepted: set[str] = set()
        self.runs = 0

    def child(self, runs: int, failpoint: str = "", count: int = 0) -> subprocess.Popen[str]:
        first, self.runs = self.runs, self.runs + runs
        arguments = [self.store, self.diary, first, runs, failpoint, count]
        return subprocess.Popen(
            [sys.executable, str(CHILD), *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )

    def listen(self, child: subprocess.Popen[str], lines: int | None = None) -> list[str]:
        """What the child says, up to ``lines`` of it or to its end."""
        assert child.stdout is not None
        heard = []
        for line in child.stdout:
            heard.append(line.strip())
            if line.startswith("accepted "):
                self.accepted.add(line.split()[1])
            if lines is not None and len(heard) >= lines:
                break
        return heard

    def end_of(self, child: subprocess.Popen[str]) -> tuple[int, list[str]]:
        """The child's exit code and what it said before."""
        with child:
            heard = self.listen(child)
        return child.wait(), heard

    def completed(self) -> dict[tuple[str, str], int]:
        """(run, step) that the log has completed, with how often the diary has them by now."""
        if not self.store.exists():
            return {}
        entries = Counter(
            (entry["run"], entry["step"])
            for entry in map(json.loads, self.diary.read_text().splitlines())
        )
        with ActorSystem(f"sqlite:///{self.store}", mode="read") as system:
            return {
                (head.stream[4:], event.path.rpartition("/")[2]): entries[
                    head.stream[4:], event.path.rpartition("/")[2]
                ]
                for head in system.store.heads("run")
                for event in map(TYPES.decode, system.store.read(head.stream))
                if isinstance(event, StepCompleted)
            }

    def tried(self) -> dict[tuple[str, str], list[int]]:
        """The attempts of each (run, step) that the diary has."""
        tried: dict[tuple[str, str], list[int]] = {}
        for entry in map(json.loads, self.diary.read_text().splitlines()):
            tried.setdefault((entry["run"], entry["step"]), []).append(entry["attempt"])
        return tried

    def check_the_end(self) -> None:
        """Everything that was promised about a store whose runs have all ended."""
        tried = self.tried()
        with ActorSystem(f"sqlite:///{self.store}", mode="read") as system:
            store = system.store
            heads = store.heads("run")
            assert self.accepted <= {head.stream[4:] for head in heads}
            assert store.verify() == sum(head.version for head in heads)
            for head in heads:
                events = [TYPES.decode(event) for event in store.read(head.stream)]
                check_run(events)
                for event in events:
                    if isinstance(event, StepCompleted):
                        attempts = tried[head.stream[4:], event.path.rpartition("/")[2]]
                        assert len(set(attempts)) == len(attempts)  # none began twice
                        assert max(attempts) == event.attempt  # none after the completed one
                outcome = system.run(head.stream[4:]).result(timeout=1)
                assert outcome["status"] == "success"
                assert outcome["result"]["both"]["deep"]["d2"]["filling"] == "x" * 100_000
                assert "first" in outcome["result"]["last"]["seen"]


TYPES = run_event_types()


def check_run(events: Sequence[object]) -> None:
    assert isinstance(events[0], RunAccepted)
    assert isinstance(events[-1], RunCompleted)
    completed = [
        event.path.rpartition("/")[2] for event in events if isinstance(event, StepCompleted)
    ]
    assert sorted(completed) == sorted(STEPS)
    started: Counter[str] = Counter()
    for event in events:
        if isinstance(event, StepCompleted):
            assert started[event.path] >= event.attempt  # counted before it ran
        for path, attempt in getattr(event, "starts", []):
            assert attempt == started[path] + 1
            started[path] = attempt
    assert sum(isinstance(event, StepsStarted) for event in events) <= 60


def finish(scene: Scene) -> None:
    before = scene.completed()
    child = scene.child(0)
    code, heard = scene.end_of(child)
    assert code == 0, heard
    after = scene.completed()
    again = {key: (count, after[key]) for key, count in before.items() if after[key] != count}
    assert not again, f"completed steps ran again: {again}"
    scene.check_the_end()


@pytest.mark.parametrize("place", PLACES)
def test_a_process_killed_at_a_named_place_is_continued(place: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    rng = random.Random(place)  # noqa: S311 - when to kill
    for count in rng.sample(range(1, 60), KILLS):
        before = scene.completed()
        code, _ = scene.end_of(scene.child(RUNS, place, count))
        assert code in (-signal.SIGKILL, 0)
        after = scene.completed()
        assert all(after[key] == number for key, number in before.items())
    finish(scene)


def test_a_process_killed_at_random_moments_is_continued(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    kills = 0
    rng = random.Random(7)  # noqa: S311 - when to kill
    while kills < 12 * KILLS:
        before = scene.completed()
        child = scene.child(RUNS)
        scene.listen(child, lines=rng.randrange(1, 2 * RUNS))
        child.kill()
        kills += scene.end_of(child)[0] == -signal.SIGKILL
        after = scene.completed()
        assert all(after[key] == number for key, number in before.items())
    finish(scene)
