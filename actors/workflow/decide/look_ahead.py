"""Finds the next steps on a copy of the state, for plans whose conditions may skip children.

A child that is skipped instead of opened settles at once, and so may the blocks around it; the next
steps depend on all of them.
"""

from __future__ import annotations

from typing import Any

from indelible.actors.workflow.decide.frontier import (
    ConditionFailure,
    NextSteps,
    after,
    first_steps,
    pending,
)
from indelible.actors.workflow.state.block_end import settle, skip
from indelible.actors.workflow.state.condition_values import IN_BLOB, ConditionValues, answer_of
from indelible.actors.workflow.state.node_status import COMPLETED, FAILED, PENDING, RUNNING
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import Failure, InBlob, RunValues
from indelible.events.model.run_events import Skip


def follow(state: RunState, index: int, settled: bytes | InBlob | Failure) -> NextSteps:
    """What follows when the step at ``index`` settles, which ``state`` does not contain yet."""
    if not state.plan.chooses:
        return after(state, index, failed=type(settled) is Failure)
    walk = _LookAhead(state)
    walk.settle_step(index, settled)
    return walk.next


def begin_ready(state: RunState) -> NextSteps:
    """All steps that may start now and have not been started."""
    if state.plan.chooses:
        walk = _LookAhead(state)
        for index in pending(state):
            walk.open(index)
        return walk.next
    return NextSteps([step for index in pending(state) for step in first_steps(state.plan, index)])


def follow_answer(state: RunState, index: int, answer: str | Failure) -> NextSteps:
    """What follows from the ``answer`` to the condition of the pending node at ``index``.

    The answer is the reason to skip the node, empty if it opens, or a failure.
    """
    walk = _LookAhead(state)
    walk.open(index, answer)
    return walk.next


class _LookAhead(RunState):
    """A copy of the state that runs ahead of the log."""

    __slots__ = ("_condition_failures", "_lookups", "_skips", "_steps", "_to_open", "next")

    def __init__(self, state: RunState) -> None:
        super().__init__()
        self.accepted, self.plan = state.accepted, state.plan
        self.status = bytearray(state.status)
        self.next_child, self.unsettled = dict(state.next_child), dict(state.unsettled)
        self.settled, self.errors = _Overlay(state.settled), {}
        assert self.accepted is not None
        self.values = RunValues(self.accepted, self.plan, self.settled)
        self._steps: list[int] = []
        self._skips: list[Skip] = []
        self._to_open: list[int] = []
        self._condition_failures: list[ConditionFailure] = []
        self._lookups: list[int] = []
        self.next = NextSteps(
            self._steps,
            skips=self._skips,
            condition_failures=self._condition_failures,
            lookups=self._lookups,
        )

    def settle_step(self, index: int, settled: bytes | InBlob | Failure) -> None:
        self.settled[index] = settled
        self._settle(index, FAILED if type(settled) is Failure else COMPLETED)
        self._open_all()

    def open(self, index: int, answer: Any = None) -> None:
        """Open the node at ``index``; ``answer`` is the answer to its condition, if known."""
        self._open_parents(index)
        self._open(index, answer)
        self._open_all()

    def _open_parents(self, index: int) -> None:
        """Mark the blocks around as open: the log does not record that while an answer is read."""
        node = self.plan.nodes[index]
        while node.parent >= 0:
            parent = node.parent
            self.next_child[parent] = max(self.next_child[parent], node.order + 1)
            if self.status[parent] == PENDING:
                self.status[parent] = RUNNING
            node = self.plan.nodes[parent]

    def _open_all(self) -> None:
        while self._to_open:
            self._open(self._to_open.pop(), None)

    def _open(self, index: int, answer: Any) -> None:
        nodes = self.plan.nodes
        node = nodes[index]
        block = nodes[node.parent] if node.parent >= 0 else None
        if block is not None:
            self.next_child[block.index] = max(self.next_child[block.index], node.order + 1)
            if answer is None:
                answer = answer_of(self, index, ConditionValues(self.values, index))
            if answer is IN_BLOB:
                self._lookups.append(index)
                return
            if isinstance(answer, Failure):
                self._fail(index, answer)
                return
            if answer:
                skip(self, index, answer)
                self._skips.append((node.path, answer))
                self._settle(index, None)
                return
        self.status[index] = RUNNING
        if node.pattern is None:
            self._steps.append(index)
            return
        first = node.pattern.first(node)
        self.next_child[index] = len(first)
        self._to_open.extend(reversed(first))

    def _fail(self, index: int, error: Failure) -> None:
        """Fail the node at ``index``; the steps found from now on belong to this failure."""
        self._steps, self._skips = [], []
        what = index, error.error_type, error.message
        self._condition_failures.append(ConditionFailure(*what, self._steps, self._skips))
        for child in self.plan.nodes[index].children:
            skip(self, child)
        self.settled[index] = error
        self._settle(index, FAILED)

    def _settle(self, index: int, status: int | None) -> None:
        if status is not None:
            self.status[index] = status
        last = settle(self, index, failed=status == FAILED)
        node = self.plan.nodes[last]
        if node.parent < 0:
            self.next.ended, self.next.failed = True, self.status[last] == FAILED
            return
        block = self.plan.nodes[node.parent]
        assert block.pattern is not None
        following = block.pattern.following(self, block, node)
        if following is not None and self.status[following] == PENDING:
            self._to_open.append(following)


class _Overlay(dict[int, Any]):
    """Changes on top of a mapping, which stays unchanged."""

    def __init__(self, below: dict[int, Any]) -> None:
        super().__init__()
        self._below = below

    def __missing__(self, key: int) -> Any:
        return self._below[key]

    def get(self, key: int, default: Any = None) -> Any:
        return self[key] if key in self or key in self._below else default
