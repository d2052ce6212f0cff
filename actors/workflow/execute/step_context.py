"""The context of a step function: the input and the earlier results of its run, read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from indelible.actors.effects.current_attempt import RUNNING
from indelible.actors.workflow.definition.plan import Node
from indelible.actors.workflow.state.node_results import ReadBlob, stored_value, value_of
from indelible.actors.workflow.state.run_values import RunValues
from indelible.errors import StoreCorruptError, StoreUnavailableError
from indelible.events.model.message_context import NO_CONTEXT, Context, caused_by


def current_step() -> StepContext | None:
    """The context of the step whose function is running; ``None`` outside of steps.

    For code that a step's function calls without passing the context.  It also works in tasks that
    the function starts, but not in threads, unless they get the function's ``contextvars`` context,
    as ``asyncio.to_thread`` does.
    """
    running = RUNNING.get(None)
    return running if isinstance(running, StepContext) else None


class StepContext(Mapping[str, Any]):
    """A mapping of the run's input keys and of earlier results by step name.

    Every look-up returns a new copy, so that steps cannot change each other's data.
    ``step_<i>_result`` names the i-th step (from 0) of the block.  Use it from the step's thread.

    Attributes:
        run_id: Id of the run.
        attempt: Number of this attempt, from 1.
        cancelled: True once the attempt was given up: its time-out has passed or the system closes.
            A long step should check it and return early.
    """

    __slots__ = (
        "_inherited",
        "_input",
        "_node",
        "_read_blob",
        "_read_error",
        "_values",
        "attempt",
        "cancelled",
        "run_id",
    )

    def __init__(
        self,
        values: RunValues,
        node: Node,
        attempt: int,
        read_blob: ReadBlob,
        given: Context = NO_CONTEXT,
    ) -> None:
        """Show ``values`` to the step at ``node``; the run inherits the context ``given``."""
        self.run_id = values.accepted.run_id
        self.attempt = attempt
        self.cancelled = False
        self._inherited = given
        self._values = values
        self._node = node
        self._read_blob = read_blob
        self._input: Any = None
        # Error of reading the run's data.  Damage counts even if the step handles the error.
        self._read_error: StoreCorruptError | StoreUnavailableError | None = None

    @property
    def step_name(self) -> str:
        """Name of the step."""
        return self._node.name

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this step in this run, and for no other."""
        return f"{self.run_id}/{self._node.path}"

    @property
    def envelope(self) -> Context:
        """Context for calls that the step makes, with the step as their cause.

        Its ``principal``, ``tenant``, ``reason``, ``correlation_id`` and trace are those of the
        run's start.
        """
        cause, agent = f"run-{self.idempotency_key}", self._values.accepted.agent
        return caused_by(self._inherited, cause, identity=self.run_id, agent=agent)

    @property
    def input(self) -> Any:
        """A copy of the run's input."""
        if self._input is None:
            given = self._values.accepted.input
            try:
                self._input = stored_value(self._values, "its input", given)
            except StoreCorruptError as error:
                self._read_error = error
                raise
        return self._input

    def __getitem__(self, name: str) -> Any:
        """Result of the earlier step ``name``, or the input's value under that key."""
        index = self._values.plan.find(self._node.index, name, self._values.nodes)
        if index is not None:
            try:
                return value_of(self._values, index, self._read_blob)
            except StoreCorruptError as error:
                self._read_error = error
                raise
            except StoreUnavailableError as error:
                if self._read_error is None or isinstance(self._read_error, StoreUnavailableError):
                    self._read_error = error
                raise
        given = self.input
        if isinstance(given, dict) and name in given:
            return given[name]
        raise KeyError(f"{name!r}: this step sees {', '.join(self) or 'nothing'}")

    def __iter__(self) -> Iterator[str]:
        """The input's keys, then the names of earlier steps."""
        given = self.input
        if isinstance(given, dict):
            yield from given
        yield from self._values.plan.visible(self._node.index, self._values.nodes)

    def __len__(self) -> int:
        """How many names there are."""
        return sum(1 for _ in self)
