"""What a run asks of the world, as values; performed only after its events are durable."""

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
    """Say ``RetryDue`` to the run at ``due`` (microseconds UTC)."""

    node: int
    due: int


class AwaitType(msgspec.Struct, frozen=True, gc=False):
    """Say ``Proceed`` to the run once the step's type is registered.

    Attributes:
        unbegun: Whether that attempt is to begin then; else it was cut off, and another may.
        begun: Whether its function has been called before all the same: it is not given back.
        lacks: What else the step waits for, in words.
        again: When that is tried again, microseconds UTC; 0 if only something registered helps.
    """

    node: int
    attempt: int
    unbegun: bool
    lacks: str = ""
    again: int = 0
    begun: bool = False


class LookUp(msgspec.Struct, frozen=True, gc=False):
    """Answer the condition of a step or block from a blob; say ``ConditionAnswered`` to the run.

    Attributes:
        again: When, microseconds UTC; 0 is at once.
    """

    node: int
    again: int = 0


class SetAside(msgspec.Struct, frozen=True):
    """Take no message any more: what the run has stored is damaged."""

    why: StoreError


class Say(msgspec.Struct, frozen=True, gc=False):
    """Put a message into the run's own mailbox."""

    message: Any


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The run is over; whoever waits for it can have the state."""

    state: RunState
