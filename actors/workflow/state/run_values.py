"""The values that steps and conditions of a run may read: no value changes under a reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from indelible.actors.workflow.definition.plan import Node, Plan
from indelible.events.model.run_events import Cause, RunAccepted

EARLIER_FAILURE: Final = "an earlier step failed"
"""The reason of a step or block that is skipped because its block has ended without it."""


class InBlob(NamedTuple):
    """A result that is stored in a blob instead of its event."""

    digest: bytes
    size: int


class Failure(NamedTuple):
    """Why a step has no result."""

    error_type: str
    message: str
    traceback: str = ""
    causes: tuple[Cause, ...] = ()


Settled = bytes | InBlob | Failure | str
"""What a step or block has settled with: a result, a failure, or the reason why it was skipped."""


class RunValues(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The input of one run, and what its nodes have settled with.

    A node settles once, and a step can name only nodes that settled before it began.  So entries
    are added while a step runs, but no value that it can name changes.  Any later change of an
    entry must make a new object.

    Attributes:
        accepted: The event with the input.
        plan: The plan of the run.
        nodes: Its nodes, and the instances that the run has opened.
        settled: By the index of the node; ``None`` if it has not settled, or is a block that
            completed: its result consists of its children's.
    """

    accepted: RunAccepted
    plan: Plan
    nodes: Sequence[Node]
    settled: dict[int, Settled | None]
