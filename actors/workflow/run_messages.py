"""What can be said to a run; times are microseconds UTC, read at the edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import ClassVar, Literal

import msgspec

from indelible.actors.workflow.state.run_state import Failure
from indelible.errors import StoreError
from indelible.events.model.run_events import Cause


class RunCommand(
    msgspec.Struct,
    frozen=True,
    gc=False,
    array_like=True,
    forbid_unknown_fields=True,
    kw_only=True,
):
    """What may be said to a run from outside, by this process or, through the inbox, by another.

    Attributes:
        kind: What a row of the inbox is called that holds it.
        now: When its owner has taken it; what another process says of that is not believed.
        hold: Whether nothing may begin: the owner is closing.  Likewise.
    """

    kind: ClassVar[str]

    now: int = 0
    hold: bool = False


class AcceptRun(RunCommand, frozen=True, gc=False):
    """Accept this run; answered with ``True`` if it is new, ``False`` if it is the same run."""

    kind: ClassVar[str] = "run.start"

    run_id: str
    agent: str
    definition: bytes  # as a compiled plan has it encoded
    input: bytes  # an encoded value


class StepReturned(msgspec.Struct, frozen=True, gc=False):
    """An attempt came back with a result."""

    node: int
    attempt: int
    result: bytes  # an encoded value
    now: int
    duration: int  # microseconds
    cpu: int = 0  # microseconds
    hold: bool = False  # start nothing more: the system is closing


class StepRaised(msgspec.Struct, frozen=True, gc=False):
    """An attempt raised, timed out, or said that it failed."""

    node: int
    attempt: int
    error_type: str
    error_message: str
    now: int
    duration: int
    cpu: int = 0
    retryable: bool = True
    hold: bool = False
    traceback: str = ""
    causes: tuple[Cause, ...] = ()


class StepUnread(msgspec.Struct, frozen=True):
    """An attempt could not read what its run has stored, which is no failure of its own.

    Attributes:
        begun: Whether the step's function has been called.
    """

    node: int
    attempt: int
    why: StoreError
    begun: bool
    now: int


class RetryDue(msgspec.Struct, frozen=True, gc=False):
    """The time of a retry has come."""

    node: int
    now: int
    hold: bool = False


class ConditionAnswered(msgspec.Struct, frozen=True):
    """What a step or block was waiting for to open has been read from a blob.

    Attributes:
        reason: Why it is left out; empty if it opens.
        failure: Why there is no answer, if there is none.
        unread: Why the blob could not be read.
    """

    node: int
    now: int
    reason: str = ""
    failure: Failure | None = None
    unread: StoreError | None = None
    hold: bool = False


class Resume(msgspec.Struct, frozen=True, gc=False):
    """Go on after the state was read from the log.

    Attributes:
        cut_off: (node, attempt) that ran at the time of the last recorded event, and do not run
            here: whether they began, and how they ended, nobody knows.
        unbegun: The same of attempts that this process has recorded itself, and never begun.
        known: Step types that can be executed now.
    """

    now: int
    cut_off: Sequence[tuple[int, int]]
    unbegun: Sequence[tuple[int, int]]
    known: AbstractSet[str]
    hold: bool = False


class Proceed(msgspec.Struct, frozen=True, gc=False):
    """The type of a step that waits for it is registered; see ``Resume`` for ``unbegun``."""

    node: int
    attempt: int
    unbegun: bool
    now: int
    hold: bool = False


class Release(msgspec.Struct, frozen=True, gc=False):
    """These attempts were recorded and will not begin: the system closes."""

    starts: tuple[tuple[int, int], ...]
    now: int


Resolution = Literal["retry", "fail", "complete"]
"""How an attempt of unknown outcome ended, as a person says it."""


class Resolve(RunCommand, frozen=True, gc=False):
    """A person says how an attempt of unknown outcome ended: ``retry``, ``fail``, ``complete``."""

    kind: ClassVar[str] = "run.resolve"

    step: str
    action: str
    by: str
    result: bytes = b""


class Describe(RunCommand, frozen=True, gc=False):
    """Answered with the run's status, a plain mapping."""

    kind: ClassVar[str] = "run.describe"


class AskEnd(msgspec.Struct, frozen=True, gc=False):
    """Answered with the run's state if it has ended, else with ``None``."""


COMMANDS: Mapping[str, type[RunCommand]] = {
    command.kind: command for command in (AcceptRun, Resolve, Describe)
}
"""All of them by kind: each is one type with one handler, wherever it comes from."""
