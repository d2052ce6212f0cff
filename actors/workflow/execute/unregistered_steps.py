"""Steps of recovered runs that this process cannot execute yet: they wait, and are reported.

Only texts and numbers are kept here, so that their runs may leave memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from indelible.actors.step_types.base import StepType
from indelible.actors.workflow.definition.plan import Node


class WaitingStep(NamedTuple):
    """One waiting step, and what it waits for.

    Attributes:
        stream: Stream of its run.
        node: Its index in the plan.
        step: Its name.
        type: Its type.
        attempt: Number of the waiting attempt.
        unbegun: Whether this attempt is still to begin; if not, it was cut off.
        released_on_close: Whether the attempt is released when the system closes.
        lacks: What it waits for, if not its type; text for people.
        soon: Whether a timer tries again, so that its run stays in memory.
    """

    stream: str
    node: int
    step: str
    type: str
    attempt: int
    unbegun: bool
    released_on_close: bool
    lacks: str = ""
    soon: bool = False

    @property
    def words(self) -> str:
        """What it waits for, as text for people."""
        return self.lacks or f"its type {self.type!r} is not registered, call register_step()"


_NOTHING: Mapping[int, WaitingStep] = MappingProxyType({})


class UnregisteredSteps:
    """Waiting steps by their run and by their type; memory only, rebuilt by recovery.

    Attributes:
        any: Whether a step waits; checked first, because every step passes here.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.any = False
        self._lock = threading.Lock()
        self._by_stream: dict[str, dict[int, WaitingStep]] = {}
        self._by_type: dict[str, dict[tuple[str, int], WaitingStep]] = {}

    def __len__(self) -> int:
        """How many steps wait."""
        with self._lock:
            return sum(map(len, self._by_type.values()))

    def add(self, waiting: WaitingStep) -> None:
        """Let a step wait until its type is registered."""
        with self._lock:
            self._drop(waiting.stream, waiting.node)
            self._by_stream.setdefault(waiting.stream, {})[waiting.node] = waiting
            of_type = self._by_type.setdefault(waiting.type, {})
            of_type[waiting.stream, waiting.node] = waiting
            self.any = True

    def types(self) -> list[str]:
        """The types that steps wait for."""
        return list(self._by_type)

    def by_type(self) -> dict[str, tuple[int, WaitingStep]]:
        """How many steps wait for each type, and one of these steps."""
        with self._lock:
            return {
                name: (len(all_), next(iter(all_.values()))) for name, all_ in self._by_type.items()
            }

    def of_type(self, step_type: str) -> Sequence[WaitingStep]:
        """All steps that wait for ``step_type``."""
        with self._lock:
            return list(self._by_type.get(step_type, {}).values())

    def of_run(self, stream: str) -> Mapping[int, WaitingStep]:
        """The waiting steps of a run, by node."""
        with self._lock:
            return dict(self._by_stream.get(stream, _NOTHING))

    def unbegun(self, held: Callable[[str], bool]) -> Sequence[WaitingStep]:
        """The waiting attempts in ``held`` streams that are released when the system closes."""
        with self._lock:
            streams = [one for stream, one in self._by_stream.items() if held(stream)]
            return [
                waiting for one in streams for waiting in one.values() if waiting.released_on_close
            ]

    def reasons(self, stream: str) -> list[str]:
        """What the run in ``stream`` waits for, as texts."""
        waiting = self.of_run(stream).values()
        return sorted({f"step {one.step!r}: {one.words}" for one in waiting})

    def keep(self, stream: str, nodes: Collection[int]) -> None:
        """Drop the waiting steps of ``stream``, except the steps ``nodes``."""
        if not self.any:
            return
        with self._lock:
            for node in [n for n in self._by_stream.get(stream, _NOTHING) if n not in nodes]:
                self._drop(stream, node)

    def forget(self, stream: str) -> None:
        """Drop the waiting steps of ``stream``, whose run has ended or was set aside."""
        self.keep(stream, ())

    def drop(self, waiting: WaitingStep) -> None:
        """Drop a step that continues, unless it waits again already."""
        with self._lock:
            if self._by_stream.get(waiting.stream, _NOTHING).get(waiting.node) is waiting:
                self._drop(waiting.stream, waiting.node)

    def begins(self, stream: str, node: int) -> None:
        """Drop a step that begins."""
        with self._lock:
            self._drop(stream, node)

    def leave(self, left: Callable[[str], bool]) -> None:
        """Drop the waiting steps of streams that have ``left`` this process."""
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
    """What a step of a recovered run lacks in this system, such as a connection or a function.

    Empty if it lacks nothing.  Without this check the step would fail, only because the system was
    opened without the connection or function.
    """
    problems = list(step_type.validate(node.params))
    return "; ".join(f"its {path} is {found}; {fix}" for path, found, fix in problems)
