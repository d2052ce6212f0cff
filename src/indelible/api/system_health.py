"""Types of the result of ``system.health()``, for annotations."""

from __future__ import annotations

from typing import Literal, TypedDict

HealthWord = Literal["ready", "draining", "unavailable", "served", "unserved"]
"""State of a system; the last two are states of a system that does not own its store."""


class ShardHealth(TypedDict):
    """Shards that the process may write, and the number of all shards of the store."""

    held: int
    of: int


class MailboxHealth(TypedDict):
    """Messages in mailboxes: of all actors together, in the longest mailbox, and its stream."""

    messages: int
    longest: int
    longest_of: str


class StepHealth(TypedDict):
    """Steps being executed, waiting for a thread, and waiting for a type that is not registered."""

    running: int
    queued: int
    unregistered: int


class CallHealth(TypedDict):
    """Calls and custom effects being executed, and waiting for a thread."""

    running: int
    queued: int


class TimerHealth(TypedDict):
    """Timers that have not fired, and by how many seconds the oldest is late; 0 if none is due."""

    pending: int
    late_s: float


class ViewHealth(TypedDict):
    """How far a view is behind, see :class:`indelible.projections.queries.view_lag.ViewLag`."""

    events: int
    seconds: float
    since: int


class SystemHealth(TypedDict):
    """Result of ``system.health()``; :class:`.service.health_report.Health` explains the keys."""

    state: HealthWord
    ready: bool
    why: tuple[str, ...]
    store: str
    shards: ShardHealth
    actors: int
    mailboxes: MailboxHealth
    steps: StepHealth
    calls: CallHealth
    threads: int
    timers: TimerHealth
    views: dict[str, ViewHealth] | None
    inbox: int | None
