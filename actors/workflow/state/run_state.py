"""The state of one run as plain values, derived from its events alone."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from indelible.actors.workflow.definition.plan import Node, Plan
from indelible.actors.workflow.state.run_values import Failure, RunValues, Settled
from indelible.events.model.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
)

NODE_TIMES: Final = 24
"""Bytes of ``RunState.times`` for each node: when it started and finished, and its duration."""

FINISHED: Final = 8
"""Offset of the second and third of these values."""

put_started: Final = Struct("=q").pack_into
put_finished: Final = Struct("=qq").pack_into
get_times: Final = Struct("=qqq").unpack_from

UNFINISHED: Final = ("accepted", "running", "waiting")
"""Status words of runs that have not ended."""

RESUMED: Final = (*UNFINISHED, "")
"""Status words in ``streams`` of runs that a new owner process checks.

No run has an empty status word: such a row has lost it, so the run's events must be read.
"""


AWAKE: Final = ("accepted", "running", "")
"""Status words of runs that a new owner process loads first, unless their rows have a wake time."""


class RunState:
    """The state of one run, by the index of the node.

    The nodes are those of the plan; behind them stand the instances of steps that a block repeats,
    in the order in which their blocks have opened.  A run without such blocks shares ``nodes`` and
    ``by_path`` with its plan.

    Dicts and bytearrays of plain values are used instead of lists and arrays: the garbage collector
    does not scan them, and many thousands of runs wait at a time.

    Only ``evolve`` changes the state, on the actor's thread.  Steps get ``values``, not the state.
    """

    __slots__ = (
        "accepted",
        "attempts",
        "by_path",
        "checkpoints",
        "completed",
        "end",
        "errors",
        "failed",
        "failures",
        "interruptions",
        "marked_at",
        "next_child",
        "nodes",
        "plan",
        "retry_at",
        "settled",
        "since_mark",
        "size",
        "skipped",
        "status",
        "steps_total",
        "times",
        "unknown",
        "unsettled",
        "values",
        "version",
    )

    def __init__(self) -> None:
        """The state before ``run.accepted``."""
        self.accepted: RunAccepted | None = None
        self.plan: Plan
        self.version = 0
        self.end: RunCompleted | RunFailed | RunQuarantined | None = None
        self.completed = self.failed = self.skipped = 0
        self.checkpoints = self.since_mark = self.marked_at = 0
        self.size = 0  # bytes of the encoded input and results
        self.steps_total = 0

    def begin(self, accepted: RunAccepted, plan: Plan) -> None:
        """Create an entry for every node of ``plan``."""
        count = len(plan.nodes)
        self.accepted = accepted
        self.plan = plan
        self.steps_total = plan.steps_total
        self.nodes: Sequence[Node] = plan.nodes
        self.by_path = plan.by_path
        if plan.bodies:
            self.nodes, self.by_path = list(plan.nodes), dict(plan.by_path)
        self.status = bytearray(count)  # of PENDING
        self.attempts = dict.fromkeys(range(count), 0)
        self.times = bytearray(NODE_TIMES * count)
        self.settled: dict[int, Settled | None] = dict.fromkeys(range(count))
        self.values = RunValues(accepted, plan, self.nodes, self.settled)
        self.next_child = dict.fromkeys(plan.blocks, 0)  # children opened so far
        self.unsettled = dict(plan.blocks)
        self.failures: dict[int, int] = {}  # failed attempts, without interruptions
        self.errors: dict[int, Failure] = {}  # the newest error
        self.retry_at: dict[int, int] = {}
        self.interruptions: dict[int, int] = {}  # since the last progress
        self.unknown: dict[int, int] = {}  # attempts that wait for a person
        self.size = len(accepted.input)
        self.marked_at = accepted.at
        self.checkpoints = accepted.checkpoint
