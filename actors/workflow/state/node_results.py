"""The value of a node of a run, decoded from stored bytes: a new copy at each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from indelible.actors.workflow.definition.plan import Node
from indelible.actors.workflow.state.run_values import Failure, InBlob, RunValues
from indelible.errors import StoreCorruptError, ValueDecodeError
from indelible.events.codec.values import decode_value

ReadBlob = Callable[[bytes], bytes]
"""Reads the blob with this sha256."""


def value_of(values: RunValues, index: int, read_blob: ReadBlob) -> Any:
    """Result of a step, or of a block: its children's values, as its pattern puts them together.

    A failed step is ``{"failed": true, "error_type": …, "error": …}``, a skipped one
    ``{"skipped": true, "reason": …}``, a step that has not settled yet ``None``.
    """
    node, settled = values.nodes[index], values.settled[index]
    if settled is None:
        return None if node.pattern is None else _of_block(values, node, read_blob)
    if type(settled) is str:
        return {"skipped": True, "reason": settled}
    if type(settled) is Failure:
        return {"failed": True, "error_type": settled.error_type, "error": settled.message}
    assert type(settled) is bytes or type(settled) is InBlob
    return stored_value(values, f"the result of step {node.path!r}", settled, read_blob)


def stored_value(
    values: RunValues, what: str, stored: bytes | InBlob, read_blob: ReadBlob | None = None
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
        stream = f"run-{values.accepted.run_id}"
        if isinstance(error, StoreCorruptError):
            found = f"{what} cannot be read: {error.found}"
            raise StoreCorruptError(error.url, found, stream=stream) from error
        raise StoreCorruptError(
            "", f"{what} is not a valid value: {error.why}", stream=stream
        ) from error


def outcome_value(values: RunValues, read_blob: ReadBlob) -> Any:
    """The values of the run's outermost blocks and steps by name, for any outcome."""
    return _of_block(values, values.nodes[0], read_blob)


def _of_block(values: RunValues, block: Node, read_blob: ReadBlob) -> Any:
    assert block.pattern is not None
    nodes = values.nodes
    found = [(nodes[child].name, value_of(values, child, read_blob)) for child in block.children]
    return block.pattern.result(found)
