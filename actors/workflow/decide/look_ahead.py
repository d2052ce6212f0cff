"""Finds the next steps on a copy of the state, for plans where values decide what opens.

A child that is skipped instead of opened settles at once, and so may the blocks around it; the next
steps depend on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indelible.actors.workflow.decide.frontier import (
    ConditionFailure,
    NextSteps,
    after,
    first_steps,
    pending,
)
from indelible.actors.workflow.state.block_end import settle, skip
from indelible.actors.workflow.state.condition_values import (
    IN_BLOB,
    Answer,
    ConditionValues,
    answer_of,
)
from indelible.actors.workflow.state.instances import open_instances, steps_in
from indelible.actors.workflow.state.node_status import COMPLETED, FAILED, PENDING, RUNNING
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import Failure, InBlob, RunValues
from indelible.events.model.run_events import Open, Skip


def follow(state: RunState, index: int, settled: bytes | InBlob | Failure) -> NextSteps:
    """What follows when the step at ``index`` settles, which ``state`` does not contain yet."""
    if not state.plan.chooses:
        return after(state, index, failed=type(settled) is Failure)
    walk = _LookAhead(state)
    walk.settle_step(index, settled)
    return walk.next_steps()


def begin_ready(state: RunState) -> NextSteps:
    """All steps that may start now and have not been started."""
    if state.plan.chooses:
        walk = _LookAhead(state)
        for index in pending(state):
            walk.open(index)
        return walk.next_steps()
    return NextSteps([step for index in pending(state) for step in first_steps(state.plan, index)])


def follow_answer(state: RunState, index: int, answer: Answer) -> NextSteps:
    """What follows from the ``answer`` about the pending node at ``index``."""
    walk = _LookAhead(state)
    walk.open(index, answer)
    return walk.next_steps()


class _LookAhead(RunState):
    """A copy of the state that runs ahead of the log."""

    __slots__ = (
        "_condition_failures",
        "_ended",
        "_lookups",
        "_next",
        "_opens",
        "_skips",
        "_steps",
        "_to_open",
    )

    def __init__(self, state: RunState) -> None:
        super().__init__()
        self.accepted, self.plan, self.nodes = state.accepted, state.plan, state.nodes
        self.completed, self.failed, self.size = state.completed, state.failed, state.size
        self.steps_total, self.failures = state.steps_total, state.failures
        self.status, self.times = bytearray(state.status), bytearray()
        self.next_child, self.unsettled = _Overlay(state.next_child), _Overlay(state.unsettled)
        self.attempts, self.by_path = _Overlay(state.attempts), _Overlay(state.by_path)
        self.settled, self.errors = _Overlay(state.settled), _Overlay(state.errors)
        assert self.accepted is not None
        self.values = RunValues(self.accepted, self.plan, self.nodes, self.settled)
        self._steps: list[int] = []
        self._skips: list[Skip] = []
        self._opens: list[Open] = []
        self._next = self._steps, self._skips, self._opens  # before the first condition fails
        self._to_open: list[int] = []
        self._condition_failures: list[ConditionFailure] = []
        self._lookups: list[int] = []
        self._ended = False

    def next_steps(self) -> NextSteps:
        steps, skips, opens = self._next
        return NextSteps(
            steps,
            ended=self._ended,
            failed=self._ended and self.status[0] == FAILED,
            skips=tuple(skips),
            opens=tuple(opens),
            condition_failures=self._condition_failures,
            lookups=self._lookups,
            ahead=self,
        )

    def settle_step(self, index: int, settled: bytes | InBlob | Failure) -> None:
        self.settled[index] = settled
        self._settle(index, FAILED if type(settled) is Failure else COMPLETED)
        self._open_all()

    def open(self, index: int, answer: Answer | None = None) -> None:
        """Open the node at ``index``; ``answer`` is the answer about it, if known."""
        self._open_parents(index)
        self._open(index, answer)
        self._open_all()

    def _open_parents(self, index: int) -> None:
        """Mark the blocks around as open: the log does not record that while an answer is read."""
        node = self.nodes[index]
        while node.parent >= 0:
            parent = node.parent
            self.next_child[parent] = max(self.next_child[parent], node.order + 1)
            if self.status[parent] == PENDING:
                self.status[parent] = RUNNING
            node = self.nodes[parent]

    def _open_all(self) -> None:
        while self._to_open:
            self._open(self._to_open.pop(), None)

    def _open(self, index: int, answer: Answer | None) -> None:
        node = self.nodes[index]
        if node.parent >= 0:
            self.next_child[node.parent] = max(self.next_child[node.parent], node.order + 1)
        if answer is None:
            answer = answer_of(self, index, ConditionValues(self.values, index))
        if answer is IN_BLOB:
            self._lookups.append(index)
        elif isinstance(answer, Failure):
            self._fail(index, answer)
        elif answer == 0:  # it repeats nothing
            self._skips.append((node.path, ""))
            self._settle(index, COMPLETED)
        elif isinstance(answer, str) and answer:
            skip(self, index, answer)
            self._skips.append((node.path, answer))
            self._settle(index, None)
        else:
            self.status[index] = RUNNING
            if isinstance(answer, int):
                self._open_instances(index, answer)
            self._begin(index)

    def _open_instances(self, index: int, count: int) -> None:
        self.nodes = list(self.nodes)  # the state keeps its own
        assert self.accepted is not None
        self.values = RunValues(self.accepted, self.plan, self.nodes, self.settled)
        block = self.nodes[index]
        steps = count * steps_in(self, block)
        open_instances(self, index, count)
        self.steps_total += steps
        self._opens.append((block.path, count, steps))

    def _begin(self, index: int) -> None:
        node = self.nodes[index]
        if node.pattern is None:
            self._steps.append(index)
            return
        first = node.pattern.first(node)
        self.next_child[index] = len(first)
        self._to_open.extend(reversed(first))

    def _fail(self, index: int, error: Failure) -> None:
        """Fail the node at ``index``; the steps found from now on belong to this failure."""
        self._steps, self._skips, self._opens = [], [], []
        what = index, error.error_type, error.message
        self._condition_failures.append(
            ConditionFailure(*what, self._steps, self._skips, self._opens)
        )
        for child in self.nodes[index].children:
            skip(self, child)
        self.settled[index] = error
        self._settle(index, FAILED)

    def _settle(self, index: int, status: int | None) -> None:
        if status is not None:
            self.status[index] = status
        last = settle(self, index, failed=status == FAILED)
        node = self.nodes[last]
        if node.parent < 0:
            self._ended = True
            return
        block = self.nodes[node.parent]
        assert block.pattern is not None
        following = block.pattern.following(self, block, node)
        if following is not None and self.status[following] == PENDING:
            self._to_open.append(following)


class _Overlay(dict[Any, Any]):
    """Changes on top of a mapping, which stays unchanged."""

    def __init__(self, below: Mapping[Any, Any]) -> None:
        super().__init__()
        self._below = below

    def __bool__(self) -> bool:
        return len(self) > 0 or bool(self._below)

    def __missing__(self, key: Any) -> Any:
        return self._below[key]

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self or key in self._below else default
