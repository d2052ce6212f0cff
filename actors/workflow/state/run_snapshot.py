"""Converts the state of a run to a storable value and back (pure; invariant 4).

The value contains the whole state except the plan, which is compiled from the definition.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import astuple

from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.state.instances import open_instances, opened
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import EARLIER_FAILURE, Failure, InBlob, Settled
from indelible.events.model.run_events import (
    Cause,
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
)

SCHEMA = f"4-{sys.byteorder}"
"""Raise it when the layout changes, or when ``evolve`` gives other states for the same events.

Numbers are stored in the byte order of the machine.
"""

_ENDS: Mapping[str, type[RunCompleted | RunFailed | RunQuarantined]] = {
    kind.wire_name: kind for kind in (RunCompleted, RunFailed, RunQuarantined)
}
_NUMBERS = (
    "version",
    "completed",
    "failed",
    "skipped",
    "checkpoints",
    "since_mark",
    "marked_at",
    "size",
    "steps_total",
)
_BY_NODE = (
    "next_child",
    "unsettled",
    "failures",
    "retry_at",
    "interruptions",
    "unknown",
)
_FAILED = False
"""Stands for a failure."""

_encode = msgspec.msgpack.encode


def to_value(state: RunState) -> dict[str, Any]:
    """``state`` as plain values; both share the bytes of results."""
    value: dict[str, Any] = {name: getattr(state, name) for name in _NUMBERS}
    accepted = state.accepted
    value["accepted"] = None if accepted is None else _encode(accepted)
    if accepted is None:
        return value
    end = state.end
    value["end"] = None if end is None else [end.wire_name, _encode(end)]
    value["opened"] = [*map(list, opened(state))] if state.plan.bodies else []
    value["status"] = bytes(state.status)
    value["attempts"] = array("q", state.attempts.values()).tobytes()
    value["times"] = bytes(state.times)
    value["settled"] = [*map(_stored, state.settled.values())]
    value["errors"] = [
        [index, *error[:-1], [[*astuple(cause)] for cause in error.causes]]
        for index, error in state.errors.items()
    ]
    for name in _BY_NODE:
        numbers: dict[int, int] = getattr(state, name)
        value[name] = [[*numbers], [*numbers.values()]]
    return value


def from_value(value: Mapping[str, Any], plan_of: Callable[[bytes], Plan]) -> RunState:
    """The state from which :func:`to_value` made ``value``; ``plan_of`` compiles its definition."""
    state = RunState()
    if value["accepted"] is not None:
        accepted = msgspec.msgpack.decode(value["accepted"], type=RunAccepted)
        state.begin(accepted, plan_of(accepted.definition))
        for index, count in value["opened"]:
            open_instances(state, index, count)
        if value["end"] is not None:
            name, encoded = value["end"]
            state.end = msgspec.msgpack.decode(encoded, type=_ENDS[name])
        state.status = bytearray(value["status"])
        state.attempts = dict(enumerate(array("q", value["attempts"])))
        state.times = bytearray(value["times"])
        state.errors = {
            index: Failure(kind, message, trace, tuple(Cause(*cause) for cause in causes))
            for index, kind, message, trace, causes in value["errors"]
        }
        settled = state.settled
        for index, stored in enumerate(value["settled"]):  # nearly all are results
            settled[index] = stored if type(stored) is bytes else _settled(state, index, stored)
        for name in _BY_NODE:
            setattr(state, name, dict(zip(*value[name], strict=True)))
        count = len(state.nodes)
        lengths = {len(state.status), len(state.attempts), len(value["settled"])}
        if lengths != {count}:
            raise ValueError(f"a snapshot of {lengths} nodes for a plan of {count}")
    for name in _NUMBERS:
        setattr(state, name, value[name])
    return state


def _stored(settled: Settled | None) -> Any:
    """The storable form; a failure stands among the errors already."""
    if type(settled) is InBlob:
        return list(settled)
    if type(settled) is Failure:
        return _FAILED
    return "" if settled == EARLIER_FAILURE else settled


def _settled(state: RunState, index: int, stored: Any) -> Settled | None:
    if stored is _FAILED:
        return state.errors[index]
    if type(stored) is list:
        return InBlob(*stored)
    found: bytes | str | None = EARLIER_FAILURE if stored == "" else stored
    return found
