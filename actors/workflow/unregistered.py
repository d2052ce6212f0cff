"""Steps of recovered runs that this process cannot execute yet: they wait, visibly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from indelible.actors.step_types.base import StepType
from indelible.actors.workflow.definition.plan import Node


class Waiting(NamedTuple):
    """One step, what it lacks, and how it goes on."""

    stream: str
    step: str
    lacks: str
    go_on: Callable[[], None]
    give_back: Callable[[], None]  # called when the system closes instead


class Unregistered:
    """Waiting steps by their type; memory only, rebuilt by recovery."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Waiting]] = {}

    def __len__(self) -> int:
        """How many steps wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def add(self, step_type: str, waiting: Waiting) -> None:
        """Let a step wait until something is registered for ``step_type``."""
        with self._lock:
            self._waiting.setdefault(step_type, []).append(waiting)

    def types(self) -> list[str]:
        """The types for which something waits."""
        return list(self._waiting)

    def by_type(self) -> dict[str, tuple[int, Waiting]]:
        """How many steps wait for each type, and one of them."""
        with self._lock:
            return {name: (len(waiting), waiting[0]) for name, waiting in self._waiting.items()}

    def registered(self, step_type: str) -> None:
        """Have every step of ``step_type`` that waits try again."""
        with self._lock:
            ready = self._waiting.pop(step_type, [])
        for waiting in ready:
            waiting.go_on()

    def give_back(self, held: Callable[[str], bool]) -> None:
        """Have every step of a ``held`` stream give its attempt back: it will not begin here."""
        with self._lock:
            waiting = [one for waitings in self._waiting.values() for one in waitings]
            waiting = [one for one in waiting if held(one.stream)]
        for one in waiting:
            one.give_back()

    def of(self, stream: str) -> list[str]:
        """What the run in ``stream`` waits for, in words."""
        with self._lock:
            return sorted(
                {
                    f"step {waiting.step!r}: {waiting.lacks}"
                    for waitings in self._waiting.values()
                    for waiting in waitings
                    if waiting.stream == stream
                }
            )

    def forget(self, stream: str) -> None:
        """Drop what waits for ``stream``, whose run is read again or over."""
        if not self._waiting:
            return
        with self._lock:
            for step_type, waitings in list(self._waiting.items()):
                kept = [waiting for waiting in waitings if waiting.stream != stream]
                if kept:
                    self._waiting[step_type] = kept
                else:
                    del self._waiting[step_type]


def lacking(node: Node, step_type: StepType) -> str:
    """What a step of a run from the log lacks here: a connection, a function; or nothing.

    Without it the step would fail for good, only because the system was opened without it.
    """
    problems = list(step_type.validate(node.params))
    return "; ".join(f"its {path} is {found}; {fix}" for path, found, fix in problems)
