"""The values that a condition can refer to: the input, and results of earlier steps and blocks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from indelible.actors.workflow.definition.plan import Node
from indelible.actors.workflow.definition.references import find_refs, resolve
from indelible.actors.workflow.execute.failed_references import check_reference
from indelible.actors.workflow.state.instances import MAX_NODES
from indelible.actors.workflow.state.node_results import ReadBlob, stored_value, value_of
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import Failure, RunValues
from indelible.errors import FailedReferenceError, StepDataError


class _BlobNeeded(Exception):  # noqa: N818 - no error: ends an evaluation that needs a blob
    """A value is in a blob, which the pure core does not read."""


IN_BLOB: Final = None
"""The answer if a blob must be read first."""


Answer = str | int | Failure
"""Why a node is skipped, empty if it opens; how often it repeats its steps; or why it fails."""


def _raise_blob_needed(_digest: bytes) -> bytes:
    raise _BlobNeeded


def answer_of(state: RunState, index: int, values: ConditionValues) -> Answer | None:
    """Whether the node at ``index`` opens, or how often its steps do.

    :data:`IN_BLOB` if a blob must be read first.

    Raises:
        StoreError: ``values`` reads blobs, and a blob cannot be read.
    """
    node = state.nodes[index]
    try:
        return _answer(state, node, values)
    except _BlobNeeded:
        return IN_BLOB
    except FailedReferenceError as error:
        ref, target, why = (error.__dict__[name] for name in ("ref", "target", "why"))
        who, advice = _subject(node, target)
        words = f"{who} refers to {ref}, but {target!r} {why}; {advice}"
        return Failure(type(error).__name__, words)
    except StepDataError as error:
        return Failure(type(error).__name__, str(error))


def _answer(state: RunState, node: Node, values: ConditionValues) -> Answer:
    pattern = state.nodes[node.parent].pattern if node.parent >= 0 else None
    if pattern is not None and pattern.chooses:
        reason = pattern.skip_reason(state, state.nodes[node.parent], node, values)
        if reason:
            return reason
    if node.pattern is None or not node.pattern.repeats:
        return ""
    count = node.pattern.instances(node, values)
    body = state.nodes[node.body]
    if len(state.nodes) + count * (body.end - body.index) > MAX_NODES:
        found = f"it would repeat its steps {count:,} times"
        raise StepDataError(node.label, found, f"a run has at most {MAX_NODES:,} steps and blocks")
    return count


def _subject(node: Node, target: str) -> tuple[str, str]:
    """What has referred to ``target``, a condition or a block that repeats; and advice."""
    first = f"{{type: context_key_exists, key: {target}}}"
    if node.pattern is not None and node.pattern.repeats:
        return repr(node.label), f"open it only if {first}"
    return f"the condition of {node.label!r}", f"ask {first} first"


class ConditionValues:
    """The values of one run that one of its steps or blocks may read."""

    def __init__(
        self, values: RunValues, reader: int, read_blob: ReadBlob = _raise_blob_needed
    ) -> None:
        """Read the values that the node ``reader`` may read."""
        self._values = values
        self._reader = values.nodes[reader]
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
        return resolve(params, self._result, given, reader.label, check)

    def exists(self, name: str) -> bool:
        """Whether the input has a key, or an earlier step a result, of this name."""
        index = self._values.plan.find(self._reader.index, name, self._values.nodes)
        if index is not None:
            return not isinstance(self._values.settled[index], Failure | str)
        given = self._input()
        return isinstance(given, dict) and name in given

    def _input(self) -> Any:
        return stored_value(self._values, "its input", self._values.accepted.input)

    def _result(self, name: str) -> Any:
        index = self._values.plan.find(self._reader.index, name, self._values.nodes)
        assert index is not None
        return value_of(self._values, index, self._read_blob)
