"""The events of one run of a workflow; all of them stand in the run's own stream.

Times are microseconds UTC, durations microseconds of monotonic time.  User values are stored as
encoded bytes (``indelible.events.codec.values``), so that reading the log does not decode them.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from indelible.events.model.event import Event

Start = tuple[str, int]
"""A step's path and the number of the attempt, from 1; recorded before the attempt runs."""


Skip = tuple[str, str]
"""The path of a step or block that settles when it would begin, and the reason why it is skipped.

Without a reason it is a block that completes, because it has nothing to repeat.
"""

Open = tuple[str, int, int]
"""The path of a block that opens its steps several times, how often, and the number of all steps.

The paths of these steps begin with the block's, and a mark: ``orders[0]/clean``, ``poll#0/check``.
"""


class Cause(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An exception that led to the one that a step raised.

    Attributes:
        relation: ``cause`` (``raise … from``), ``context`` (raised while handling it) or
            ``member`` (of an exception group).
        depth: Distance from the step's own exception, from 1; the parent of an entry is the last
            entry before it with a smaller depth.
        at: Where it was raised, ``FILE:LINE in FUNCTION``; empty if it was never raised.
    """

    relation: str
    depth: int
    error_type: str
    error_message: str
    at: str = ""


class StepFailure(msgspec.Struct, frozen=True, gc=False):
    """A failed step, in the event that ends its run; ``step`` is the step's path."""

    step: str
    error_type: str
    error_message: str


class RunAccepted(Event, frozen=True, gc=False, omit_defaults=True):
    """The run is accepted; its first steps may begin."""

    wire_name: ClassVar[str] = "run.accepted"

    run_id: str
    agent: str
    workflow: str
    definition: bytes  # the whole definition, as an encoded value
    input: bytes  # an encoded value
    steps_total: int
    at: int
    starts: tuple[Start, ...] = ()
    checkpoint: int = 0
    skips: tuple[Skip, ...] = ()
    opens: tuple[Open, ...] = ()


class StepsStarted(Event, frozen=True, gc=False, omit_defaults=True):
    """Attempts begin that no other event started, such as a retry, or one after a crash."""

    wire_name: ClassVar[str] = "run.steps_started"

    at: int
    starts: tuple[Start, ...]
    reason: str  # "ready" | "retry" | "recovered" | "resolved" | "condition"
    by: str = ""  # the person who resolved it
    skips: tuple[Skip, ...] = ()
    opens: tuple[Open, ...] = ()


class StepsReleased(Event, frozen=True, gc=False, omit_defaults=True):
    """Recorded attempts did not begin because the system closed; their steps are ready again."""

    wire_name: ClassVar[str] = "run.steps_released"

    at: int
    paths: list[str]


class StepCompleted(Event, frozen=True, gc=False, omit_defaults=True):
    """A step has its result and never runs again."""

    wire_name: ClassVar[str] = "run.step_completed"

    path: str
    attempt: int
    at: int
    duration: int
    result: bytes = b""  # an encoded value; empty when it is in a blob
    blob: bytes = b""  # sha256 of the encoded value when it is large
    size: int = 0  # bytes of the encoded value
    cpu: int = 0  # microseconds of processor time of a blocking step
    starts: tuple[Start, ...] = ()
    checkpoint: int = 0
    by: str = ""  # the person who supplied the result, if not the step
    skips: tuple[Skip, ...] = ()
    opens: tuple[Open, ...] = ()


class StepFailed(Event, frozen=True, gc=False, omit_defaults=True):
    """An attempt failed; the next one begins at ``retry_at``, or never if ``final``."""

    wire_name: ClassVar[str] = "run.step_failed"

    path: str
    attempt: int
    at: int
    duration: int
    error_type: str
    error_message: str
    final: bool
    retry_at: int = 0
    cpu: int = 0
    starts: tuple[Start, ...] = ()
    checkpoint: int = 0
    by: str = ""  # the person who declared it failed, if not the step
    traceback: str = ""  # the last frames of the step's own code
    causes: tuple[Cause, ...] = ()
    skips: tuple[Skip, ...] = ()
    opens: tuple[Open, ...] = ()


class StepOutcomeUnknown(Event, frozen=True, gc=False, omit_defaults=True):
    """A crash cut off an attempt, and the step's policy is to ask: the run waits for a person."""

    wire_name: ClassVar[str] = "run.step_outcome_unknown"

    path: str
    attempt: int
    at: int


class RunCompleted(Event, frozen=True, gc=False, omit_defaults=True):
    """The run reached its end; ``outcome`` is ``success`` or ``partial``.

    ``failures`` names the first steps that failed, in the order of the definition.
    """

    wire_name: ClassVar[str] = "run.completed"

    at: int
    outcome: str
    completed: int
    failed: int
    skipped: int
    duration: int  # since the run was accepted, by the wall clock
    state_bytes: int  # encoded input and results
    agent: str = ""
    failures: tuple[StepFailure, ...] = ()


class RunFailed(Event, frozen=True, gc=False, omit_defaults=True):
    """The run ended without a result; ``step`` is the path of the step that ended it.

    ``failures`` names the first steps that failed, in the order of the definition.
    """

    wire_name: ClassVar[str] = "run.failed"

    at: int
    step: str
    error_type: str
    error_message: str
    completed: int
    failed: int
    skipped: int
    duration: int
    state_bytes: int
    agent: str = ""
    failures: tuple[StepFailure, ...] = ()


class RunQuarantined(Event, frozen=True, gc=False, omit_defaults=True):
    """The run is quarantined: crashes cut off one step too often without other progress."""

    wire_name: ClassVar[str] = "run.quarantined"

    at: int
    step: str
    interruptions: int


RUN_EVENTS: tuple[type[Event], ...] = (
    RunAccepted,
    StepsStarted,
    StepsReleased,
    StepCompleted,
    StepFailed,
    StepOutcomeUnknown,
    RunCompleted,
    RunFailed,
    RunQuarantined,
)
