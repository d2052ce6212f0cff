"""A store, the diary that its steps keep outside it, and what was promised about both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from forked import Forked
from indelible import ActorSystem
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import RunAccepted, RunCompleted, StepCompleted, StepsStarted

STEPS = {"first", "left", "right", "d1", "d2", "shaky", "last"}
INTERRUPTIONS = 60
"""Restarts that one run may have seen: far above what any of these tests does."""

TYPES = run_event_types()


class Scene:
    """A store, the diary that the steps keep, and the children that were started on it."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.url = url or f"sqlite:///{folder / 'runs.db'}"
        self.diary = folder / "diary"
        self.diary.touch()
        self.accepted: set[str] = set()
        self.runs = 0

    def child(self, runs: int, failpoint: str = "", count: int = 0) -> Forked:
        first, self.runs = self.runs, self.runs + runs
        return self.start("run_child", first, runs, failpoint, count)

    def start(self, module: str, *arguments: object) -> Forked:
        """A child on this store and diary."""
        words = [self.url, self.diary, *arguments]
        return Forked(f"crash.{module}", list(map(str, words)))

    def listen(self, child: Forked, lines: int | None = None) -> list[str]:
        """What the child says, up to ``lines`` of it or to its end."""
        heard = []
        assert child.stdout is not None
        for line in child.stdout:
            heard.append(line.strip())
            if line.startswith("accepted "):
                self.accepted.add(line.split()[1])
            if lines is not None and len(heard) >= lines:
                break
        return heard

    def end_of(self, child: Forked) -> tuple[int, list[str]]:
        """The child's exit code and what it said before."""
        with child:
            heard = self.listen(child)
        return child.wait(), heard

    def completed(self) -> dict[tuple[str, str], int]:
        """(run, step) that the log has completed, with how often the diary has them by now."""
        if not self.accepted:
            return {}
        entries = Counter(
            (entry["run"], entry["step"])
            for entry in map(json.loads, self.diary.read_text().splitlines())
        )
        with ActorSystem(self.url, mode="read") as system:
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
        with ActorSystem(self.url, mode="read") as system:
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
                outcome = system.run(head.stream[4:]).result(timeout=60)
                assert outcome["status"] == "success"
                assert outcome["result"]["both"]["deep"]["d2"]["filling"] == "x" * 100_000
                assert "first" in outcome["result"]["last"]["seen"]


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
    assert sum(isinstance(event, StepsStarted) for event in events) <= INTERRUPTIONS
