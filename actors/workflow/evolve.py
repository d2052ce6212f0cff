"""How each event changes the state of a run; accepts every event ever written (invariant 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.node_status import (
    COMPLETED,
    FAILED,
    PENDING,
    RETRYING,
    RUNNING,
    SKIPPED,
    UNKNOWN,
)
from indelible.actors.workflow.state import (
    FINISHED,
    NODE_TIMES,
    Failure,
    InBlob,
    RunState,
    put_finished,
    put_started,
)
from indelible.events.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    Start,
    StepCompleted,
    StepFailed,
    StepOutcomeUnknown,
    StepsReleased,
    StepsStarted,
)


def evolve(state: RunState, event: Any, plan_of: Callable[[bytes], Plan]) -> RunState:
    """``state`` after ``event``, changed in place; ``plan_of`` compiles a stored definition."""
    state.version += 1
    apply = _APPLY.get(type(event))
    if apply is not None:
        apply(state, event)
    else:
        assert type(event) is RunAccepted
        state.begin(event, plan_of(event.definition))
        _start(state, event.starts, event.at)
    return state


def _step_completed(state: RunState, event: StepCompleted) -> None:
    index = state.plan.by_path[event.path]
    state.status[index] = COMPLETED
    state.results[index] = event.result or InBlob(event.blob, event.size)
    put_finished(state.times, NODE_TIMES * index + FINISHED, event.at, event.duration)
    state.completed += 1
    state.size += event.size
    if state.unknown:
        state.unknown.pop(index, None)
    if state.interruptions:
        state.interruptions.clear()
    _mark(state, event.checkpoint, event.at)
    _settle(state, index, failed=False)
    _start(state, event.starts, event.at)


def _step_failed(state: RunState, event: StepFailed) -> None:
    index = state.plan.by_path[event.path]
    put_finished(state.times, NODE_TIMES * index + FINISHED, event.at, event.duration)
    state.errors[index] = Failure(
        event.error_type, event.error_message, event.traceback, event.causes
    )
    state.failures[index] = state.failures.get(index, 0) + 1
    state.interruptions.clear()
    state.unknown.pop(index, None)
    if not event.final:
        state.status[index] = RETRYING
        state.retry_at[index] = event.retry_at
        return
    state.status[index] = FAILED
    state.failed += 1
    _settle(state, index, failed=True)
    _start(state, event.starts, event.at)


def _steps_started(state: RunState, event: StepsStarted) -> None:
    if event.reason == "recovered":
        for path, _ in event.starts:
            index = state.plan.by_path[path]
            state.interruptions[index] = state.interruptions.get(index, 0) + 1
    _start(state, event.starts, event.at)


def _steps_released(state: RunState, event: StepsReleased) -> None:
    for path in event.paths:
        state.status[state.plan.by_path[path]] = PENDING


def _outcome_unknown(state: RunState, event: StepOutcomeUnknown) -> None:
    index = state.plan.by_path[event.path]
    state.status[index] = UNKNOWN
    state.unknown[index] = event.attempt


def _run_ended(state: RunState, event: RunCompleted | RunFailed | RunQuarantined) -> None:
    state.end = event


_APPLY: dict[type, Callable[[RunState, Any], None]] = {
    StepCompleted: _step_completed,
    StepFailed: _step_failed,
    StepsStarted: _steps_started,
    StepsReleased: _steps_released,
    StepOutcomeUnknown: _outcome_unknown,
    RunCompleted: _run_ended,
    RunFailed: _run_ended,
    RunQuarantined: _run_ended,
}


def _mark(state: RunState, checkpoint: int, at: int) -> None:
    if checkpoint:
        state.checkpoints = checkpoint
        state.since_mark = 0
        state.marked_at = at
    else:
        state.since_mark += 1


def _start(state: RunState, starts: Iterable[Start], at: int) -> None:
    nodes, by_path, status = state.plan.nodes, state.plan.by_path, state.status
    for path, attempt in starts:
        index = by_path[path]
        status[index] = RUNNING
        state.attempts[index] = attempt
        put_started(state.times, NODE_TIMES * index, at)
        if state.retry_at:
            state.retry_at.pop(index, None)
        if state.unknown:
            state.unknown.pop(index, None)
        node = nodes[index]
        parent = node.parent
        while parent >= 0:  # open the blocks around it
            if node.order >= state.next_child[parent]:
                state.next_child[parent] = node.order + 1
            if status[parent] != PENDING:
                break
            status[parent] = RUNNING
            put_started(state.times, NODE_TIMES * parent, at)
            node = nodes[parent]
            parent = node.parent


def _settle(state: RunState, index: int, *, failed: bool) -> None:
    """Carry the end of a node up through the blocks that end with it."""
    nodes = state.plan.nodes
    parent = nodes[index].parent
    while parent >= 0:
        block, child = nodes[parent], nodes[index]
        pattern = block.pattern
        assert pattern is not None
        end = pattern.end(state, block, child, failed=failed)
        state.unsettled[parent] -= 1
        if end is None:
            return
        state.status[parent] = end
        failed = end == FAILED
        if failed:
            error = state.errors[index]
            words = pattern.why_failed(block, child, error.message)
            state.errors[parent] = (
                error if words == error.message else Failure(error.error_type, words)
            )
        if state.unsettled[parent]:
            for other in block.children:
                _skip(state, other)
            state.unsettled[parent] = 0
        index, parent = parent, block.parent


def _skip(state: RunState, index: int) -> None:
    if state.status[index] != PENDING:
        return
    state.status[index] = SKIPPED
    node = state.plan.nodes[index]
    if node.kind == "step":
        state.skipped += 1
    for child in node.children:
        _skip(state, child)
