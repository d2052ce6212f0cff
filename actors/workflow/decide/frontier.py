"""Finds the steps that may start: pure walks over a plan and the state of its run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.state.node_status import FAILED, PENDING, SETTLED
from indelible.actors.workflow.state.run_state import RunState
from indelible.events.model.run_events import Open, Skip


class ConditionFailure(msgspec.Struct, frozen=True, gc=False):
    """A step or block that fails instead of opening, because its condition has no answer.

    Attributes:
        node: The step or block.
        steps, skips, opens: As in :class:`NextSteps`, for the steps that follow this failure.
    """

    node: int
    error_type: str
    message: str
    steps: list[int]
    skips: list[Skip]
    opens: list[Open]


class NextSteps(msgspec.Struct, gc=False):
    """The changes that follow when a step settles, or when all ready steps begin.

    Attributes:
        steps: Nodes of the steps to start.
        ended: Whether the run has ended.
        failed: Whether it ended because its root failed.
        skips: Steps and blocks that are skipped.
        opens: Blocks that open their steps several times.
        condition_failures: Steps and blocks that fail, in order.
        lookups: Nodes whose condition needs a blob.
        ahead: The state after all this, in plans where values decide what opens.
    """

    steps: list[int]
    ended: bool = False
    failed: bool = False
    skips: tuple[Skip, ...] = ()
    opens: tuple[Open, ...] = ()
    condition_failures: Sequence[ConditionFailure] = ()
    lookups: Sequence[int] = ()
    ahead: RunState | None = None


def first_steps(plan: Plan, index: int = 0) -> list[int]:
    """The steps to start when the node at ``index`` opens, in a plan without conditions."""
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


def after(state: RunState, index: int, *, failed: bool) -> NextSteps:
    """What follows when the node at ``index`` settles, which ``state`` does not contain yet.

    For plans without conditions: each block is visited once, and no copy of the state is needed.
    """
    nodes = state.nodes
    while True:
        node = nodes[index]
        parent = node.parent
        if parent < 0:
            return NextSteps([], ended=True, failed=failed)
        block = nodes[parent]
        pattern = block.pattern
        assert pattern is not None
        goes_on = not failed and state.unsettled[parent] > 1 and not pattern.ends_early
        end = None if goes_on else pattern.end(state, block, node, failed=failed)
        if end is None:
            following = pattern.following(state, block, node)
            if following is None:
                return NextSteps([])
            is_step = nodes[following].pattern is None
            return NextSteps([following] if is_step else first_steps(state.plan, following))
        failed = end == FAILED
        index = parent


def pending(state: RunState) -> list[int]:
    """The outermost steps and blocks that may open now, after a hold or a release."""
    nodes = state.nodes
    found: list[int] = []
    waiting = [0]
    while waiting:
        index = waiting.pop()
        node = nodes[index]
        if state.status[index] == PENDING:
            found.append(index)
        elif node.pattern is not None:
            unsettled = [child for child in node.children if state.status[child] not in SETTLED]
            waiting.extend(reversed(unsettled[: node.pattern.width(node)]))
    return found
