"""The state of one run, as plain values: what the events so far say, and nothing else."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from indelible.actors.workflow.definition.plan import Plan
from indelible.events.model.run_events import (
    Cause,
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
)

NODE_TIMES: Final = 24
"""Bytes of ``RunState.times`` for each node: when it started and finished, and its duration."""

FINISHED: Final = 8
"""Offset of the second and third of them."""

put_started: Final = Struct("=q").pack_into
put_finished: Final = Struct("=qq").pack_into
get_times: Final = Struct("=qqq").unpack_from

UNFINISHED: Final = ("accepted", "running", "waiting")
"""Status words of runs that go on."""

RESUMED: Final = (*UNFINISHED, "")
"""Status words in ``streams`` of runs that a new owner looks at.

No run has an empty one: a row that has lost its status says nothing, and the run's events do.
"""


AWAKE: Final = ("accepted", "running", "")
"""Those of runs that a new owner looks at first, unless their rows say when to wake them."""


class InBlob(NamedTuple):
    """A result that is kept outside its event."""

    digest: bytes
    size: int


class Failure(NamedTuple):
    """Why a step has no result."""

    error_type: str
    message: str
    traceback: str = ""
    causes: tuple[Cause, ...] = ()


class RunState:
    """Everything the events of one run say, by node.

    Dicts and bytearrays of plain values stand for lists and arrays: the garbage collector does not
    look into them, and many thousands of runs wait at a time.

    Only ``evolve`` changes it.  Results are only ever added, so a running step may read those of
    earlier steps from another thread.
    """

    __slots__ = (
        "accepted",
        "attempts",
        "checkpoints",
        "completed",
        "end",
        "errors",
        "failed",
        "failures",
        "interruptions",
        "marked_at",
        "next_child",
        "plan",
        "results",
        "retry_at",
        "since_mark",
        "size",
        "skip_reasons",
        "skipped",
        "status",
        "times",
        "unknown",
        "unsettled",
        "version",
    )

    def __init__(self) -> None:
        """Before ``run.accepted`` there is nothing."""
        self.accepted: RunAccepted | None = None
        self.plan: Plan
        self.version = 0
        self.end: RunCompleted | RunFailed | RunQuarantined | None = None
        self.completed = self.failed = self.skipped = 0
        self.checkpoints = self.since_mark = self.marked_at = 0
        self.size = 0  # bytes of the encoded input and results

    def begin(self, accepted: RunAccepted, plan: Plan) -> None:
        """Make room for every node of ``plan``."""
        count = len(plan.nodes)
        self.accepted = accepted
        self.plan = plan
        self.status = bytearray(count)  # of PENDING
        self.attempts = dict.fromkeys(range(count), 0)
        self.times = bytearray(NODE_TIMES * count)
        self.results: dict[int, bytes | InBlob | None] = dict.fromkeys(range(count))
        self.next_child = dict.fromkeys(plan.blocks, 0)  # children opened so far
        self.unsettled = dict(plan.blocks)
        self.failures: dict[int, int] = {}  # attempts that failed by themselves
        self.errors: dict[int, Failure] = {}  # the newest one
        self.retry_at: dict[int, int] = {}
        self.interruptions: dict[int, int] = {}  # since the last progress
        self.skip_reasons: dict[int, str] = {}  # but for an earlier failure
        self.unknown: dict[int, int] = {}  # attempts that wait for a person
        self.size = len(accepted.input)
        self.marked_at = accepted.at
        self.checkpoints = accepted.checkpoint
