"""The values that a condition can refer to: the input, and results of earlier steps and blocks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from indelible.actors.workflow.definition.references import find_refs, resolve
from indelible.actors.workflow.execute.failed_references import check_reference
from indelible.actors.workflow.state.node_results import ReadBlob, stored_value, value_of
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import Failure, RunValues
from indelible.errors import FailedReferenceError, StepDataError


class _BlobNeeded(Exception):  # noqa: N818 - no error: ends an evaluation that needs a blob
    """A value is in a blob, which the pure core does not read."""


IN_BLOB: Final = None
"""The answer if a blob must be read first."""


def _raise_blob_needed(_digest: bytes) -> bytes:
    raise _BlobNeeded


def answer_of(state: RunState, index: int, values: ConditionValues) -> str | Failure | None:
    """Why the node at ``index`` is skipped instead of opened; empty if it opens.

    A :class:`Failure` if there is no answer, :data:`IN_BLOB` if a blob must be read first.

    Raises:
        StoreError: ``values`` reads blobs, and a blob cannot be read.
    """
    nodes = state.plan.nodes
    node = nodes[index]
    block = nodes[node.parent]
    assert block.pattern is not None
    if not block.pattern.chooses:
        return ""
    try:
        return block.pattern.skip_reason(state, block, node, values)
    except _BlobNeeded:
        return IN_BLOB
    except FailedReferenceError as error:
        ref, target, why = (error.__dict__[name] for name in ("ref", "target", "why"))
        words = f"the condition of {node.name!r} refers to {ref}, but {target!r} {why}"
        advice = f"ask {{type: context_key_exists, key: {target}}} first"
        return Failure(type(error).__name__, f"{words}; {advice}")
    except StepDataError as error:
        return Failure(type(error).__name__, str(error))


class ConditionValues:
    """The values of one run that one of its steps or blocks may read."""

    def __init__(
        self, values: RunValues, reader: int, read_blob: ReadBlob = _raise_blob_needed
    ) -> None:
        """Read the values that the node ``reader`` may read."""
        self._values = values
        self._reader = values.plan.nodes[reader]
        self._read_blob = read_blob

    def resolve(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``params`` with each reference in them replaced by its value.

        Raises:
            StepDataError: The path of a reference does not exist.
            FailedReferenceError: A reference leads to a step without a result.
            StoreError: A blob cannot be read.
        """
        reader = self._reader
        check = partial(check_reference, self._values, reader)
        refs = [str(ref["ref"]) for _, ref in find_refs(params)]
        given = self._input() if any(ref.split(".", 1)[0] == "input" for ref in refs) else None
        return resolve(params, self._result, given, reader.name, check)

    def exists(self, name: str) -> bool:
        """Whether the input has a key, or an earlier step a result, of this name."""
        index = self._values.plan.find(self._reader.index, name)
        if index is not None:
            return not isinstance(self._values.settled[index], Failure | str)
        given = self._input()
        return isinstance(given, dict) and name in given

    def _input(self) -> Any:
        return stored_value(self._values, "its input", self._values.accepted.input)

    def _result(self, name: str) -> Any:
        index = self._values.plan.find(self._reader.index, name)
        assert index is not None
        return value_of(self._values, index, self._read_blob)
