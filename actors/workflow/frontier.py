"""Which steps may start: pure walks over a plan and the state of its run."""

from __future__ import annotations

from collections.abc import Sequence

from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.state import COMPLETED, FAILED, PENDING, SKIPPED, RunState

Next = tuple[list[int], bool, bool]
"""Steps to start (by node); whether the run has ended; whether it did because its root failed."""


def first_steps(plan: Plan, index: int = 0) -> list[int]:
    """The steps to start when the node at ``index`` opens."""
    nodes = plan.nodes
    if nodes[index].kind == "step":
        return [index]
    found: list[int] = []
    waiting = [index]
    while waiting:
        node = nodes[waiting.pop()]
        if node.kind == "step":
            found.append(node.index)
        elif node.kind == "sequential":
            waiting.append(node.children[0])
        else:
            waiting.extend(reversed(node.children[: node.width]))
    return found


def after(state: RunState, index: int, *, failed: bool) -> Next:
    """What may start when the node at ``index`` settles; ``state`` does not show that yet."""
    nodes = state.plan.nodes
    while True:
        node = nodes[index]
        parent = node.parent
        if parent < 0:
            return [], True, failed
        block = nodes[parent]
        if block.kind == "sequential":
            if not failed and node.order + 1 < len(block.children):
                following = block.children[node.order + 1]
                return first_steps(state.plan, following), False, False
        else:
            opened = state.next_child[parent]
            if opened < len(block.children):
                return first_steps(state.plan, block.children[opened]), False, False
            if state.unsettled[parent] > 1:
                return [], False, False
            failed = failed and others_failed(state, block.children, index)
        index = parent


def others_failed(state: RunState, children: Sequence[int], last: int) -> bool:
    """Whether every child of a parallel block failed, but for the ``last``, which settles now.

    With policy ``collect`` a failed child is an entry of its block, not its end, unless there is
    no other.
    """
    status = state.status
    return all(status[child] == FAILED for child in children if child != last)


def ready(state: RunState) -> list[int]:
    """Every step that may start now and has not been started: after a hold or a release."""
    nodes = state.plan.nodes
    found: list[int] = []
    waiting = [0]
    while waiting:
        index = waiting.pop()
        node = nodes[index]
        if node.kind == "step":
            if state.status[index] == PENDING:
                found.append(index)
            continue
        if state.status[index] == PENDING:
            found.extend(first_steps(state.plan, index))
            continue
        unsettled = [child for child in node.children if state.status[child] not in _SETTLED]
        width = 1 if node.kind == "sequential" else node.width
        waiting.extend(reversed(unsettled[:width]))
    return found


_SETTLED = frozenset((COMPLETED, FAILED, SKIPPED))
