"""Applies each event to the state of a run; accepts every event ever written (invariant 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.state.block_end import settle, skip
from indelible.actors.workflow.state.instances import open_instances
from indelible.actors.workflow.state.node_status import (
    COMPLETED,
    FAILED,
    PENDING,
    RETRYING,
    RUNNING,
    UNKNOWN,
)
from indelible.actors.workflow.state.run_state import (
    FINISHED,
    NODE_TIMES,
    RunState,
    put_finished,
    put_started,
)
from indelible.actors.workflow.state.run_values import Failure, InBlob
from indelible.events.model.run_events import (
    Open,
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    Skip,
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
        _open(state, event.opens, event.at)
        _skip(state, event.skips, event.at)
        _start(state, event.starts, event.at)
    return state


def _step_completed(state: RunState, event: StepCompleted) -> None:
    index = state.by_path[event.path]
    state.status[index] = COMPLETED
    state.settled[index] = event.result or InBlob(event.blob, event.size)
    put_finished(state.times, NODE_TIMES * index + FINISHED, event.at, event.duration)
    state.completed += 1
    state.size += event.size
    if state.unknown:
        state.unknown.pop(index, None)
    if state.interruptions:
        state.interruptions.clear()
    _mark(state, event.checkpoint, event.at)
    settle(state, index, failed=False)
    if event.opens:
        _open(state, event.opens, event.at)
    if event.skips:
        _skip(state, event.skips, event.at)
    _start(state, event.starts, event.at)


def _step_failed(state: RunState, event: StepFailed) -> None:
    index = state.by_path[event.path]
    put_finished(state.times, NODE_TIMES * index + FINISHED, event.at, event.duration)
    error = Failure(event.error_type, event.error_message, event.traceback, event.causes)
    state.errors[index] = error
    state.failures[index] = state.failures.get(index, 0) + 1
    state.interruptions.clear()
    state.unknown.pop(index, None)
    if not event.final:
        state.status[index] = RETRYING
        state.retry_at[index] = event.retry_at
        return
    if not event.attempt:  # its condition had no answer
        _open_parents(state, index, event.at)
    state.status[index] = FAILED
    state.settled[index] = error
    node = state.nodes[index]
    if node.pattern is None:
        state.failed += 1
    for child in node.children:
        skip(state, child)
    settle(state, index, failed=True)
    _open(state, event.opens, event.at)
    if event.skips:
        _skip(state, event.skips, event.at)
    _start(state, event.starts, event.at)


def _steps_started(state: RunState, event: StepsStarted) -> None:
    if event.reason == "recovered":
        for path, _ in event.starts:
            index = state.by_path[path]
            state.interruptions[index] = state.interruptions.get(index, 0) + 1
    _open(state, event.opens, event.at)
    _skip(state, event.skips, event.at)
    _start(state, event.starts, event.at)


def _steps_released(state: RunState, event: StepsReleased) -> None:
    for path in event.paths:
        state.status[state.by_path[path]] = PENDING


def _outcome_unknown(state: RunState, event: StepOutcomeUnknown) -> None:
    index = state.by_path[event.path]
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
    nodes, by_path, status = state.nodes, state.by_path, state.status
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
        if parent < 0 or status[parent] == PENDING:
            _open_parents(state, index, at)
        elif node.order >= state.next_child[parent]:
            state.next_child[parent] = node.order + 1


def _skip(state: RunState, skips: Iterable[Skip], at: int) -> None:
    for path, reason in skips:
        index = state.by_path[path]
        _open_parents(state, index, at)
        if reason:
            skip(state, index, reason)
        else:
            state.status[index] = COMPLETED
        settle(state, index, failed=False)


def _open(state: RunState, opens: Iterable[Open], at: int) -> None:
    for path, count, steps in opens:
        index = state.by_path[path]
        _open_parents(state, index, at)
        state.status[index] = RUNNING
        put_started(state.times, NODE_TIMES * index, at)
        open_instances(state, index, count)
        state.steps_total += steps


def _open_parents(state: RunState, index: int, at: int) -> None:
    """Open the blocks around a node that begins, or that settles without having begun."""
    nodes, status = state.nodes, state.status
    node = nodes[index]
    parent = node.parent
    while parent >= 0:
        if node.order >= state.next_child[parent]:
            state.next_child[parent] = node.order + 1
        if status[parent] != PENDING:
            break
        status[parent] = RUNNING
        put_started(state.times, NODE_TIMES * parent, at)
        node = nodes[parent]
        parent = node.parent
