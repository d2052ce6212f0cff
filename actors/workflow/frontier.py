"""Which steps may start: pure walks over a plan and the state of its run."""

from __future__ import annotations

from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.node_status import FAILED, PENDING, SETTLED
from indelible.actors.workflow.state import RunState

Next = tuple[list[int], bool, bool]
"""Steps to start (by node); whether the run has ended; whether it did because its root failed."""


def first_steps(plan: Plan, index: int = 0) -> list[int]:
    """The steps to start when the node at ``index`` opens."""
    nodes = plan.nodes
    if nodes[index].pattern is None:
        return [index]
    found: list[int] = []
    waiting = [index]
    while waiting:
        node = nodes[waiting.pop()]
        if node.pattern is None:
            found.append(node.index)
        else:
            waiting.extend(reversed(node.pattern.first(node)))
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
        pattern = block.pattern
        assert pattern is not None
        end = pattern.end(state, block, node, failed=failed)
        if end is None:
            following = pattern.following(state, block, node)
            steps = [] if following is None else first_steps(state.plan, following)
            return steps, False, False
        failed = end == FAILED
        index = parent


def ready(state: RunState) -> list[int]:
    """Every step that may start now and has not been started: after a hold or a release."""
    nodes = state.plan.nodes
    found: list[int] = []
    waiting = [0]
    while waiting:
        index = waiting.pop()
        node = nodes[index]
        if node.pattern is None:
            if state.status[index] == PENDING:
                found.append(index)
            continue
        if state.status[index] == PENDING:
            found.extend(first_steps(state.plan, index))
            continue
        unsettled = [child for child in node.children if state.status[child] not in SETTLED]
        waiting.extend(reversed(unsettled[: node.pattern.width(node)]))
    return found
