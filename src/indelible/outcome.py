"""How a run ended, as a read-only mapping with a fixed set of keys (R20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, overload

from indelible.actors.workflow.describe import error_of, outcome_word
from indelible.actors.workflow.results import ReadBlob, outcome_value
from indelible.actors.workflow.state import InBlob, RunState
from indelible.actors.workflow.status import OutcomeWord, RunError

KEYS = (
    "run_id",
    "workflow",
    "agent_id",
    "status",
    "result",
    "error",
    "steps_completed",
    "steps_failed",
    "steps_skipped",
    "steps_total",
    "execution_time_ms",
    "checkpoints_created",
)

Count = Literal[
    "steps_completed", "steps_failed", "steps_skipped", "steps_total", "checkpoints_created"
]


class Outcome(Mapping[str, Any]):
    """The end of a run: ``outcome["status"]`` is success, partial, failed or cancelled.

    ``result`` maps the names of the workflow's outermost steps and blocks to what they returned;
    it is decoded when it is first looked at, unless it must be fetched from the store.
    ``error`` is ``None`` after success; else ``{step, type, message, steps}``: what ended the run,
    or the first failure of a partial one, and in ``steps`` the first ten steps that failed.
    ``execution_time_ms`` runs from acceptance to the end, waiting included.  Every look at
    ``result`` gives the same object; it is yours.
    """

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
            "steps_skipped": accepted.steps_total - state.completed - state.failed,
            "steps_total": accepted.steps_total,
            "execution_time_ms": max(0, end.at - accepted.at) / 1_000,
            "checkpoints_created": state.checkpoints,
        }
        if any(type(stored) is InBlob for stored in state.results.values()):
            self._values["result"] = outcome_value(state, read_blob)  # while the store is open

    @overload
    def __getitem__(self, key: Literal["run_id", "workflow", "agent_id"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["status"]) -> OutcomeWord: ...
    @overload
    def __getitem__(self, key: Literal["result"]) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: Literal["error"]) -> RunError | None: ...
    @overload
    def __getitem__(self, key: Literal["execution_time_ms"]) -> float: ...
    @overload
    def __getitem__(self, key: Count) -> int: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...

    def __getitem__(self, key: str) -> Any:
        """One of ``KEYS``."""
        if key == "result" and "result" not in self._values:
            self._values["result"] = outcome_value(self._state, self._read_blob)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        """The keys, in a fixed order."""
        return iter(KEYS)

    def __len__(self) -> int:
        """How many keys there are."""
        return len(KEYS)

    def __repr__(self) -> str:
        """The outcome without its result, which may be large."""
        shown = {key: value for key, value in self._values.items() if key != "result"}
        return f"<Outcome {shown}>"
