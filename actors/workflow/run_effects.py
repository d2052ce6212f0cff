"""The effects of a run, as values; performed only after its events are durable."""

from __future__ import annotations

from typing import Any

import msgspec

from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import StoreError


class Begin(msgspec.Struct, frozen=True, gc=False):
    """Execute an attempt that has been recorded."""

    node: int
    attempt: int


class RetryAt(msgspec.Struct, frozen=True, gc=False):
    """Send ``RetryDue`` to the run at ``due`` (microseconds UTC)."""

    node: int
    due: int


class AwaitType(msgspec.Struct, frozen=True, gc=False):
    """Send ``Proceed`` to the run once the step's type is registered.

    Attributes:
        unbegun: Whether this attempt then begins; if not, it was cut off, and another may begin.
        begun: Whether its function was called once although it is ``unbegun``: the attempt is not
            released when the system closes.
        lacks: What the step waits for, if not its type; text for people.
        retry_at: When the step tries again, microseconds UTC; 0 if only a registration helps.
    """

    node: int
    attempt: int
    unbegun: bool
    lacks: str = ""
    retry_at: int = 0
    begun: bool = False


class AnswerCondition(msgspec.Struct, frozen=True, gc=False):
    """Answer the condition of a step or block from a blob; send ``ConditionAnswered`` to the run.

    Attributes:
        retry_at: When to read it, microseconds UTC; 0 is at once.
    """

    node: int
    retry_at: int = 0


class SetAside(msgspec.Struct, frozen=True):
    """Refuse all messages from now on: stored data of the run are damaged."""

    why: StoreError


class SendToRun(msgspec.Struct, frozen=True, gc=False):
    """Put a message into the run's own mailbox."""

    message: Any


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The run has ended; callers that wait for its end get the state."""

    state: RunState
