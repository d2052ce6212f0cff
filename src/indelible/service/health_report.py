"""The health of one process, as plain data for probes and other processes."""

from __future__ import annotations

import msgspec

from indelible.projections.queries.view_lag import ViewLag


class ShardCounts(msgspec.Struct, frozen=True):
    """Shards that the process may write (leases held), and the number of all shards."""

    held: int
    of: int


class MailboxCounts(msgspec.Struct, frozen=True):
    """Messages in mailboxes: of all actors together, in the longest mailbox, and its stream."""

    messages: int
    longest: int
    longest_of: str


class StepCounts(msgspec.Struct, frozen=True):
    """Steps being executed, waiting for a thread, and waiting for a type that is not registered."""

    running: int
    queued: int
    unregistered: int


class CallCounts(msgspec.Struct, frozen=True):
    """Calls and custom effects being executed, and waiting for a thread."""

    running: int
    queued: int


class TimerCounts(msgspec.Struct, frozen=True):
    """Timers that have not fired, and by how many seconds the oldest is late; 0 if none is due."""

    pending: int
    late_s: float


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one system.

    Attributes:
        state: ``ready``, ``draining`` or ``unavailable``; for a system that does not own its store
            ``reading``, which ``system.health()`` turns into ``served`` or ``unserved``.
        ready: Whether it accepts commands and can make them durable.
        why: Reasons why it is not ready, as text; of a ready system the shards that accept no new
            streams or are set aside, and the consumers that have failed.
        store: State of the store.
        actors: Actors in memory.
        threads: Threads of the whole process.
        views: How far each view is behind the log, by name; ``None`` if the store cannot say.
        inbox: Commands from other processes that wait for this one; ``None`` if the store cannot
            say.
    """

    state: str
    ready: bool
    why: tuple[str, ...]
    store: str
    shards: ShardCounts
    actors: int
    mailboxes: MailboxCounts
    steps: StepCounts
    calls: CallCounts = CallCounts(0, 0)  # missing in reports of older versions
    threads: int
    timers: TimerCounts
    views: dict[str, ViewLag] | None
    inbox: int | None
