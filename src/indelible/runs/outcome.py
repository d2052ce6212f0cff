"""How a run ended, as a read-only mapping with a fixed set of keys (R20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, cast

from indelible.actors.workflow.state.describe import error_of, outcome_word
from indelible.actors.workflow.state.node_results import ReadBlob, outcome_value
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import InBlob

if TYPE_CHECKING:
    from typing_extensions import ReadOnly  # type checkers know it; the library does not need it

    from indelible.actors.workflow.state.status_types import OutcomeWord, RunError


class Outcome(TypedDict):
    """The end of a run: ``outcome["status"]`` is success, partial or failed.

    ``result`` maps the names of the workflow's outermost steps and blocks to what they returned;
    it is decoded on first access, unless it must be fetched from the store.
    ``error`` is ``None`` after success; else ``{step, type, message, steps}``: the failure that
    ended the run, or the first failure of a partial run, and in ``steps`` the first ten failed
    steps. ``execution_time_ms`` counts from acceptance to the end, waiting included.  Every access
    to ``result`` returns the same object, which you may change.
    """

    run_id: ReadOnly[str]
    workflow: ReadOnly[str]
    agent_id: ReadOnly[str]
    status: ReadOnly[OutcomeWord]
    result: ReadOnly[dict[str, Any]]
    error: ReadOnly[RunError | None]
    steps_completed: ReadOnly[int]
    steps_failed: ReadOnly[int]
    steps_skipped: ReadOnly[int]
    steps_total: ReadOnly[int]
    execution_time_ms: ReadOnly[float]
    checkpoints_created: ReadOnly[int]


KEYS = tuple(Outcome.__annotations__)


class _Outcome(Mapping[str, Any]):
    __doc__ = Outcome.__doc__
    __slots__ = ("_read_blob", "_state", "_values")

    def __init__(self, state: RunState, read_blob: ReadBlob) -> None:
        """Describe ``state``, whose run has ended."""
        accepted, end = state.accepted, state.end
        assert accepted is not None
        assert end is not None
        self._state = state
        self._read_blob = read_blob
        self._values: dict[str, Any] = {
            "run_id": accepted.run_id,
            "workflow": accepted.workflow,
            "agent_id": accepted.agent,
            "status": outcome_word(state),
            "error": error_of(state),
            "steps_completed": state.completed,
            "steps_failed": state.failed,
            "steps_skipped": state.steps_total - state.completed - state.failed,
            "steps_total": state.steps_total,
            "execution_time_ms": max(0, end.at - accepted.at) / 1_000,
            "checkpoints_created": state.checkpoints,
        }
        if InBlob in map(type, state.settled.values()):  # read it while the store is open
            self._values["result"] = outcome_value(state.values, read_blob)

    def __getitem__(self, key: str) -> Any:
        """The value of ``key``, one of ``KEYS``."""
        if key == "result" and "result" not in self._values:
            self._values["result"] = outcome_value(self._state.values, self._read_blob)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        """The keys, in a fixed order."""
        return iter(KEYS)

    def __len__(self) -> int:
        """The number of keys."""
        return len(KEYS)

    def __repr__(self) -> str:
        """The outcome without its result, which may be large."""
        shown = {key: value for key, value in self._values.items() if key != "result"}
        return f"<Outcome {shown}>"


if not TYPE_CHECKING:
    _Outcome.__name__ = _Outcome.__qualname__ = "Outcome"
    Outcome = _Outcome  # so that isinstance() and the name of the type agree with the annotation


def outcome_of(state: RunState, read_blob: ReadBlob) -> Outcome:
    """The outcome of an ended run with this last ``state``."""
    return cast("Outcome", _Outcome(state, read_blob))
