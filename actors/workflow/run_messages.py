"""Messages to a run; times are microseconds UTC, read at the edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import ClassVar, Literal

import msgspec

from indelible.actors.workflow.state.run_values import Failure
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
    """A message from outside the run: from this process or, through the inbox, from another.

    Attributes:
        kind: Type name of its row in the inbox.
        now: When the owner process took it from the inbox; set by the owner, never by the sender.
        hold: Whether no step may begin because the owner is closing; set by the owner, too.
    """

    kind: ClassVar[str]

    now: int = 0
    hold: bool = False


class AcceptRun(RunCommand, frozen=True, gc=False):
    """Accept this run; the answer is ``True`` if it is new, ``False`` if the same run exists."""

    kind: ClassVar[str] = "run.start"

    run_id: str
    agent: str
    definition: bytes  # encoded, as in a compiled plan
    input: bytes  # an encoded value


class StepReturned(msgspec.Struct, frozen=True, gc=False):
    """An attempt has returned a result."""

    node: int
    attempt: int
    result: bytes  # an encoded value
    now: int
    duration: int  # microseconds
    cpu: int = 0  # microseconds
    hold: bool = False  # start no step: the system is closing


class StepRaised(msgspec.Struct, frozen=True, gc=False):
    """An attempt has raised, timed out, or returned a failure."""

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
    """An attempt could not read stored data of its run; that does not count as its failure.

    Attributes:
        begun: Whether the step's function has been called.
    """

    node: int
    attempt: int
    why: StoreError
    begun: bool
    now: int


class RetryDue(msgspec.Struct, frozen=True, gc=False):
    """A retry is due."""

    node: int
    now: int
    hold: bool = False


class ConditionAnswered(msgspec.Struct, frozen=True):
    """The condition of a step or block, or how often it repeats its steps, was read from a blob.

    Attributes:
        answer: See :data:`Answer`.
        unread: Why the blob could not be read, if it could not.
    """

    node: int
    now: int
    answer: str | int | Failure = ""
    unread: StoreError | None = None
    hold: bool = False


class Resume(msgspec.Struct, frozen=True, gc=False):
    """Resume the run after its state was read from the log.

    Attributes:
        cut_off: (node, attempt) that ran at the last recorded event, and do not run in this
            process: their outcome is unknown, and whether they began.
        unbegun: (node, attempt) that this process has recorded, and never begun.
        known: Step types that can be executed now.
    """

    now: int
    cut_off: Sequence[tuple[int, int]]
    unbegun: Sequence[tuple[int, int]]
    known: AbstractSet[str]
    hold: bool = False


class Proceed(msgspec.Struct, frozen=True, gc=False):
    """The type that a step waits for is registered; see ``Resume`` for ``unbegun``."""

    node: int
    attempt: int
    unbegun: bool
    now: int
    hold: bool = False


class Release(msgspec.Struct, frozen=True, gc=False):
    """These attempts were recorded and will not begin, because the system closes."""

    starts: tuple[tuple[int, int], ...]
    now: int


Resolution = Literal["retry", "fail", "complete"]
"""What a person decides about an attempt of unknown outcome."""


class Resolve(RunCommand, frozen=True, gc=False):
    """A person resolves an attempt of unknown outcome: ``retry``, ``fail`` or ``complete``."""

    kind: ClassVar[str] = "run.resolve"

    step: str
    action: str
    by: str
    result: bytes = b""


class Describe(RunCommand, frozen=True, gc=False):
    """The answer is the run's status, a plain mapping."""

    kind: ClassVar[str] = "run.describe"


class GetEnd(msgspec.Struct, frozen=True, gc=False):
    """The answer is the run's state if it has ended, else ``None``."""


COMMANDS: Mapping[str, type[RunCommand]] = {
    command.kind: command for command in (AcceptRun, Resolve, Describe)
}
"""All commands by kind; each has one handler, for senders in this and in other processes."""
