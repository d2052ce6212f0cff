"""Steps of runs from the log that this process cannot execute yet: they wait, visibly.

What is kept is words and numbers: their runs may leave memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from indelible.actors.step_types.base import StepType
from indelible.actors.workflow.definition.plan import Node


class WaitingStep(NamedTuple):
    """One step, and what it lacks.

    Attributes:
        stream: Of its run.
        node: Its number in the plan.
        step: Its name.
        type: Its type.
        attempt: The number of the attempt that waits.
        unbegun: Whether that attempt is to begin; else it was cut off.
        given_back: Whether it is, when the system closes.
        lacks: What else than its type, in words.
        soon: Whether a timer tries again: its run stays in memory.
    """

    stream: str
    node: int
    step: str
    type: str
    attempt: int
    unbegun: bool
    given_back: bool
    lacks: str = ""
    soon: bool = False

    @property
    def words(self) -> str:
        """What it lacks, for people."""
        return self.lacks or f"its type {self.type!r} is not registered, call register_step()"


_NOTHING: Mapping[int, WaitingStep] = MappingProxyType({})


class UnregisteredSteps:
    """Waiting steps by their run and by their type; memory only, rebuilt by recovery.

    Attributes:
        any: Whether a step waits; looked at first, where every step passes.
    """

    def __init__(self) -> None:
        """Nothing waits."""
        self.any = False
        self._lock = threading.Lock()
        self._by_stream: dict[str, dict[int, WaitingStep]] = {}
        self._by_type: dict[str, dict[tuple[str, int], WaitingStep]] = {}

    def __len__(self) -> int:
        """How many steps wait."""
        with self._lock:
            return sum(map(len, self._by_type.values()))

    def add(self, waiting: WaitingStep) -> None:
        """Let a step wait until something is registered for its type."""
        with self._lock:
            self._drop(waiting.stream, waiting.node)
            self._by_stream.setdefault(waiting.stream, {})[waiting.node] = waiting
            of_type = self._by_type.setdefault(waiting.type, {})
            of_type[waiting.stream, waiting.node] = waiting
            self.any = True

    def types(self) -> list[str]:
        """The types for which something waits."""
        return list(self._by_type)

    def by_type(self) -> dict[str, tuple[int, WaitingStep]]:
        """How many steps wait for each type, and one of them."""
        with self._lock:
            return {
                name: (len(all_), next(iter(all_.values()))) for name, all_ in self._by_type.items()
            }

    def of_type(self, step_type: str) -> Sequence[WaitingStep]:
        """All that wait for ``step_type``."""
        with self._lock:
            return list(self._by_type.get(step_type, {}).values())

    def of_run(self, stream: str) -> Mapping[int, WaitingStep]:
        """The steps of a run that wait, by their numbers."""
        with self._lock:
            return dict(self._by_stream.get(stream, _NOTHING))

    def unbegun(self, held: Callable[[str], bool]) -> Sequence[WaitingStep]:
        """The attempts in ``held`` streams that give themselves back when the system closes."""
        with self._lock:
            streams = [one for stream, one in self._by_stream.items() if held(stream)]
            return [waiting for one in streams for waiting in one.values() if waiting.given_back]

    def of(self, stream: str) -> list[str]:
        """What the run in ``stream`` waits for, in words."""
        waiting = self.of_run(stream).values()
        return sorted({f"step {one.step!r}: {one.words}" for one in waiting})

    def keep(self, stream: str, nodes: Collection[int]) -> None:
        """Drop what waits for ``stream``, but its steps ``nodes``."""
        if not self.any:
            return
        with self._lock:
            for node in [n for n in self._by_stream.get(stream, _NOTHING) if n not in nodes]:
                self._drop(stream, node)

    def forget(self, stream: str) -> None:
        """Drop what waits for ``stream``, whose run is over or set aside."""
        self.keep(stream, ())

    def drop(self, waiting: WaitingStep) -> None:
        """Drop one step that goes on, unless it has come to wait again."""
        with self._lock:
            if self._by_stream.get(waiting.stream, _NOTHING).get(waiting.node) is waiting:
                self._drop(waiting.stream, waiting.node)

    def begins(self, stream: str, node: int) -> None:
        """Drop a step that begins."""
        with self._lock:
            self._drop(stream, node)

    def leave(self, left: Callable[[str], bool]) -> None:
        """Drop what waits for streams that have ``left`` this process."""
        with self._lock:
            streams = [stream for stream in self._by_stream if left(stream)]
        for stream in streams:
            self.forget(stream)

    def _drop(self, stream: str, node: int) -> None:
        of_run = self._by_stream.get(stream, {})
        waiting = of_run.pop(node, None)
        if waiting is None:
            return
        if not of_run:
            del self._by_stream[stream]
        of_type = self._by_type[waiting.type]
        del of_type[stream, node]
        if not of_type:
            del self._by_type[waiting.type]
        self.any = bool(self._by_stream)


def lacking(node: Node, step_type: StepType) -> str:
    """What a step of a run from the log lacks here: a connection, a function; or nothing.

    Without it the step would fail for good, only because the system was opened without it.
    """
    problems = list(step_type.validate(node.params))
    return "; ".join(f"its {path} is {found}; {fix}" for path, found, fix in problems)
