"""What a system knows of its own health: figures of one moment, taken without waiting for anyone.

Nothing here is needed to run; all of it is plain data that a probe or another process may read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from indelible.actors.runtime.pool.wait_graph import BLOCKED_LIMIT
from indelible.errors import StoreError
from indelible.errors.error_text import clean, in_words
from indelible.events.inbox.sql_inbox import INBOX
from indelible.loops import failing_loops
from indelible.projections.queries.view_lag import ViewLag
from indelible.threads import wanted

if TYPE_CHECKING:
    from indelible.assembly.system_parts import SystemParts

_NAMED = 3
"""Threads that are named where a system says what it lacks."""

_TOLD = 1_000
"""Characters of an error in a report, which is written every second."""

PATIENCE = 3.0
"""Seconds for the store to be read: less than the silence after which others give a process up."""


class ShardCounts(msgspec.Struct, frozen=True):
    """Shards that the process may write (leases held), and how many the store has."""

    held: int
    of: int


class MailboxCounts(msgspec.Struct, frozen=True):
    """Messages that wait for actors in memory: of all, of the worst, and which that is."""

    messages: int
    longest: int
    longest_of: str


class StepCounts(msgspec.Struct, frozen=True):
    """Steps being executed, waiting for a thread, and waiting for a type that is not registered."""

    running: int
    queued: int
    unregistered: int


class CallCounts(msgspec.Struct, frozen=True):
    """Calls and own effects of actors under way, and waiting for a thread."""

    running: int
    queued: int


class TimerCounts(msgspec.Struct, frozen=True):
    """Timers to come, and by how many seconds the oldest is late; 0 if none is due."""

    pending: int
    late_s: float


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one system.

    Attributes:
        state: ``ready``, ``draining`` or ``unavailable``; of a system that does not own its
            store ``reading``, which ``system.health()`` makes ``served`` or ``unserved``.
        ready: Whether it takes commands and can make them durable.
        why: What keeps it from being ready, in words; of a ready one which of its shards take
            no new streams or are set aside, and which of its consumers have failed.
        store: The store's own state.
        actors: Actors in memory.
        threads: Threads of the whole process.
        views: How far each view is behind the log, by name; ``None`` if the store cannot say.
        inbox: Commands from other processes that wait for this one; ``None`` as above.
    """

    state: str
    ready: bool
    why: tuple[str, ...]
    store: str
    shards: ShardCounts
    actors: int
    mailboxes: MailboxCounts
    steps: StepCounts
    calls: CallCounts = CallCounts(0, 0)  # as a process says of which nothing is known of its calls
    threads: int
    timers: TimerCounts
    views: dict[str, ViewLag] | None
    inbox: int | None


def take_health(parts: SystemParts) -> Health:
    """The health of an open system; reads the store, but never writes it.

    It takes some seconds at most, also when the database does not answer.
    """
    executor, store = parts.executor, parts.store
    held = store.owned()
    state, why = _state(parts)
    views, inbox = (None, None) if state == "unavailable" else _read(parts, held)
    if state == "ready" and (views is None or inbox is None):
        state, why = "unavailable", ("the store cannot be read",)
    return Health(
        state=state,
        ready=state == "ready",
        why=(
            *why,
            *_closed(parts),
            *_set_aside(parts),
            *failed_consumers(parts),
            *parts.alerts.failures(),
        ),
        store=store.state,
        shards=ShardCounts(len(held), store.shards),
        actors=len(parts.directory),
        mailboxes=_mailboxes(parts),
        steps=StepCounts(len(executor.running()), executor.queued(), len(executor.unregistered)),
        calls=take_calls(parts),
        threads=threading.active_count(),
        timers=_timers(parts),
        views=views,
        inbox=inbox,
    )


def take_calls(parts: SystemParts) -> CallCounts:
    """What actors have under way."""
    both = parts.calls, parts.custom_effects
    return CallCounts(sum(len(one.running()) for one in both), sum(one.queued() for one in both))


def _state(parts: SystemParts) -> tuple[str, tuple[str, ...]]:
    if parts.executor.holding:
        return "draining", ("it takes no commands any more, and waits for what runs",)
    store = parts.store.state
    if store == "reading":
        return "reading", ("the system only reads; another process has to write",)
    trouble = parts.store.trouble
    if trouble:
        return "unavailable", (trouble,)
    why = (*_missing_threads(), *_failing_loops(), *_waiting_steps(parts))
    return ("unavailable" if why else "ready"), why


def _missing_threads() -> Iterator[str]:
    """What work waits for a thread that the host does not give; in words."""
    names = wanted.names()
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield (
            f"the host gives no thread for {', '.join(names[:_NAMED])}{more}: it is tried again; "
            "raise the limit (pids of the container, RLIMIT_NPROC)"
        )


def _failing_loops() -> Iterator[str]:
    """What fails and is tried again, and the log says where; in words."""
    for failure in failing_loops():
        yield f"a thread fails again and again, {failure}: see the log"


def _closed(parts: SystemParts) -> Iterator[str]:
    """Which shards take no new streams, and what mends that; in words."""
    for _, why in sorted(parts.store.closed().items()):
        yield f"{why}; run verify, and restore a backup"


def _set_aside(parts: SystemParts) -> Iterator[str]:
    """Which shards cannot be written, while all others are; in words."""
    for shard, why in sorted(parts.store.set_aside().items()):
        yield f"shard {shard} is set aside: {clean(why.found, _TOLD)}"


def failed_consumers(parts: SystemParts) -> Iterator[str]:
    """Which consumers on threads of this system have stopped by themselves, and why; in words.

    Commands are taken and made durable without them.
    """
    for task in parts.readers.tasks():
        if task.state == "failed" and task.error is not None:
            yield f"consumer {task.name!r} has stopped: {clean(in_words(task.error), _TOLD)}"


def _waiting_steps(parts: SystemParts) -> Iterator[str]:
    """Whether so many steps wait for others that these lack threads; in words."""
    waiting = parts.runtime.pool.waiting()
    if waiting >= BLOCKED_LIMIT:
        yield (
            f"{waiting} steps wait for runs or actors of this system, and {BLOCKED_LIMIT} get "
            "another thread in their place: start such runs, and await their results elsewhere"
        )


def _mailboxes(parts: SystemParts) -> MailboxCounts:
    messages, longest, longest_of = 0, 0, ""
    for actor in parts.directory:
        waiting = len(actor.actor_inbox)
        messages += waiting
        if waiting > longest:
            longest, longest_of = waiting, actor.stream
    return MailboxCounts(messages, longest, longest_of)


def _timers(parts: SystemParts) -> TimerCounts:
    timers = parts.runtime.timers
    due = timers.next_due()
    late = 0 if due is None else max(0, parts.clock.now() - due)
    return TimerCounts(len(timers), late / 1e6)


def _read(parts: SystemParts, held: frozenset[int]) -> tuple[dict[str, ViewLag] | None, int | None]:
    """How far the views are, and how many commands wait; ``None`` for what cannot be read."""
    views: dict[str, ViewLag] | None = None
    try:
        with parts.store.within(PATIENCE):
            views = parts.views.lag()
            return views, _inbox(parts, held)
    except StoreError:
        return views, None


def _inbox(parts: SystemParts, held: frozenset[int]) -> int:
    """Unanswered commands for the shards in ``held``."""
    waiting = sa.select(sa.func.count()).where(INBOX.c.answered_at == 0)
    if len(held) < parts.store.shards:
        waiting = waiting.where(INBOX.c.shard.in_(sorted(held)))
    with parts.store.read_views() as connection:
        return connection.execute(waiting).scalar_one()
