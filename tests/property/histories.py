"""Logs of runs as the runtime may write them, interleaved at random, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from indelible.events.model.event import Event
from indelible.events.model.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
    StepOutcomeUnknown,
    StepsReleased,
    StepsStarted,
)

T0 = 1_700_000_000_000_000
small = st.integers(0, 5_000_000)


class History:
    """Writes the events of one run, as the runtime may; perhaps not to its end."""

    def __init__(self, draw: st.DrawFn, run_id: str) -> None:
        self.draw = draw
        self.agent = draw(st.sampled_from(["etl", "ops", "zürich"]))
        self.total = draw(st.integers(1, 4))
        self.at = T0 + draw(st.integers(0, 10))
        self.completed = self.failed = 0
        self.attempt = 1
        held = draw(st.booleans())
        starts = () if held else (("s0", 1),)
        accepted = RunAccepted(
            run_id, self.agent, "w", b"d", b"i", self.total, self.at, starts, int(held)
        )
        self.events: list[Event] = [accepted]
        self.begun = not held or draw(st.booleans())
        if held and self.begun:
            self.events.append(StepsStarted(self.at + 1, (("s0", 1),), "ready"))

    def steps(self) -> list[Event]:
        for number in range(self.total if self.begun else 0):
            last = number + 1 == self.total
            self.path, self.attempt = f"s{number}", 1
            self.following = () if last else ((f"s{number + 1}", 1),)
            what = True
            while what:
                self.at += self.draw(st.integers(0, 2_000_000))
                kinds = ("completes", "completes", "fails", "retries", "unknown", "released")
                what = getattr(self, self.draw(st.sampled_from((*kinds, "quarantined"))))()
                if what is None:
                    return self.events
        if self.begun and self.draw(st.integers(0, 3)):
            outcome = "partial" if self.failed else "success"
            duration, size = self.draw(st.integers(-5, 10**9)), self.draw(small)
            counts = (self.completed, self.failed, 0)
            self.events.append(RunCompleted(self.at, outcome, *counts, duration, size, self.agent))
        return self.events

    # Each says whether the step goes on; None ends the history.

    def completes(self, by: str = "") -> bool | None:
        duration, cpu, mark = self.draw(small), self.draw(small), self.draw(st.integers(0, 9))
        what = (self.path, self.attempt, self.at, duration)
        following = self.following
        self.events.append(StepCompleted(*what, cpu=cpu, starts=following, checkpoint=mark, by=by))
        self.completed += 1
        return False

    def fails(self, by: str = "") -> bool | None:
        ends = self.draw(st.booleans())
        following = () if ends else self.following
        what = (self.path, self.attempt, self.at, self.draw(small), "E", f"no {self.path}")
        self.events.append(StepFailed(*what, final=True, starts=following, by=by))
        self.failed += 1
        if not ends:
            return False
        skipped = self.total - self.completed - self.failed
        counts = (self.completed, self.failed, skipped)
        sizes = (self.draw(small), self.draw(small))
        self.events.append(RunFailed(self.at, self.path, "E", "no", *counts, *sizes, self.agent))
        return None

    def retries(self) -> bool | None:
        self.events.append(
            StepFailed(self.path, self.attempt, self.at, 5, "E", "again", final=False, retry_at=1)
        )
        return self.begins_again("retry")

    def released(self) -> bool | None:
        self.events.append(StepsReleased(self.at, [self.path]))
        return self.begins_again("ready")

    def unknown(self) -> bool | None:
        self.events.append(StepOutcomeUnknown(self.path, self.attempt, self.at))
        match self.draw(st.sampled_from(["waits", "begins", "completes", "fails"])):
            case "begins":
                return self.begins_again("resolved", "me")
            case "completes":
                return self.completes("me")
            case "fails":
                return self.fails("me")
        return None

    def begins_again(self, reason: str, by: str = "") -> bool:
        self.attempt += 1
        self.events.append(StepsStarted(self.at, ((self.path, self.attempt),), reason, by))
        return True

    def quarantined(self) -> bool | None:
        if self.draw(st.integers(0, 3)):
            return True
        self.events.append(RunQuarantined(self.at, self.path, 10))
        return None


Log = list[tuple[str, Event | None]]  # None is an event that nobody can read


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Histories of several runs, interleaved at random, with events that nobody can read."""
    waiting = [
        [(f"run-{i}", event) for event in History(draw, str(i)).steps()]
        for i in range(draw(st.integers(1, 6)))
    ]
    log: Log = []
    while waiting:
        queue = draw(st.sampled_from(waiting))
        log.append(queue.pop(0))
        if not draw(st.integers(0, 9)):
            log.append((log[-1][0], None))
        if not queue:
            waiting.remove(queue)
    return log
