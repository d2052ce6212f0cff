"""The value of a node of a run, decoded from stored bytes: a new copy at each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from indelible.actors.workflow.state.node_status import COMPLETED, FAILED, SKIPPED
from indelible.actors.workflow.state.run_state import InBlob, RunState
from indelible.errors import StoreCorruptError, ValueDecodeError
from indelible.events.codec.values import decode_value

EARLIER_FAILURE = "an earlier step failed"

ReadBlob = Callable[[bytes], bytes]
"""Reads the blob with this sha256."""


def value_of(state: RunState, index: int, read_blob: ReadBlob) -> Any:
    """Result of a step, or a mapping of a block's children by name.

    A failed step is ``{"failed": true, "error_type": …, "error": …}``, a skipped one
    ``{"skipped": true, "reason": …}``, a step that has not settled yet ``None``.
    """
    node = state.plan.nodes[index]
    status = state.status[index]
    if status == SKIPPED:
        return {"skipped": True, "reason": reason_of(state, index)}
    if node.kind == "step" and status == COMPLETED:
        stored = state.results[index]
        assert stored is not None
        return stored_value(state, f"the result of step {node.path!r}", stored, read_blob)
    if status == FAILED:
        error = state.errors[index]
        return {"failed": True, "error_type": error.error_type, "error": error.message}
    if node.kind == "step":
        return None
    return {
        state.plan.nodes[child].name: value_of(state, child, read_blob) for child in node.children
    }


def reason_of(state: RunState, index: int) -> str:
    """Why the step or block at ``index`` was skipped."""
    return state.skip_reasons.get(index, EARLIER_FAILURE)


def stored_value(
    state: RunState, what: str, stored: bytes | InBlob, read_blob: ReadBlob | None = None
) -> Any:
    """Decode a value that is ``stored`` in the run; ``what`` names it in errors.

    Raises:
        StoreCorruptError: It is lost or damaged; the error names run, value and blob.
    """
    try:
        if isinstance(stored, InBlob):
            assert read_blob is not None
            stored = read_blob(stored.digest)
        return decode_value(stored)
    except (StoreCorruptError, ValueDecodeError) as error:
        assert state.accepted is not None
        stream = f"run-{state.accepted.run_id}"
        if isinstance(error, StoreCorruptError):
            found = f"{what} cannot be read: {error.found}"
            raise StoreCorruptError(error.url, found, stream=stream) from error
        raise StoreCorruptError(
            "", f"{what} is not a valid value: {error.why}", stream=stream
        ) from error


def outcome_value(state: RunState, read_blob: ReadBlob) -> Any:
    """The values of the run's outermost blocks and steps by name, for any outcome."""
    nodes = state.plan.nodes
    return {nodes[child].name: value_of(state, child, read_blob) for child in nodes[0].children}
