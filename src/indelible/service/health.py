"""Measures the health of a system at one moment, without waiting for other processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from indelible.actors.runtime.pool.wait_graph import BLOCKED_LIMIT
from indelible.errors import StoreError
from indelible.errors.error_text import clean, in_words
from indelible.events.inbox.sql_inbox import INBOX, UNHANDLED
from indelible.loops import failing_loops
from indelible.projections.queries.view_lag import ViewLag
from indelible.service.health_report import (
    CallCounts,
    Health,
    MailboxCounts,
    ShardCounts,
    StepCounts,
    TimerCounts,
)
from indelible.threads import refusals

if TYPE_CHECKING:
    from indelible.assembly.system_parts import SystemParts

_LISTED = 3
"""Number of missing threads that are listed by name."""

_ERROR_LIMIT = 1_000
"""Characters of an error in a report; a report is written every second."""

READ_TIMEOUT = 3.0
"""Seconds for reading the store: less than the 5 without a report that make a process stale."""


def take_health(parts: SystemParts) -> Health:
    """Measure the health of an open system; reads the store, but never writes it.

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
    """Calls and custom effects of all actors."""
    both = parts.calls, parts.custom_effects
    return CallCounts(sum(len(one.running()) for one in both), sum(one.queued() for one in both))


def _state(parts: SystemParts) -> tuple[str, tuple[str, ...]]:
    if parts.executor.holding:
        return "draining", (
            "it accepts no commands any more, and waits for running steps and calls",
        )
    store = parts.store.state
    if store == "reading":
        return "reading", ("the system only reads; another process has to write",)
    trouble = parts.store.trouble
    if trouble:
        return "unavailable", (trouble,)
    why = (*_missing_threads(), *_failing_loops(), *_waiting_steps(parts))
    return ("unavailable" if why else "ready"), why


def _missing_threads() -> Iterator[str]:
    """Threads that the host does not give, as text."""
    names = refusals.names()
    if names:
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        yield (
            f"the host gives no thread for {', '.join(names[:_LISTED])}{more}: it is tried again; "
            "raise the limit (pids of the container, RLIMIT_NPROC)"
        )


def _failing_loops() -> Iterator[str]:
    """Loops of threads that fail again and again, as text."""
    for failure in failing_loops():
        yield f"a thread fails again and again, {failure}: see the log"


def _closed(parts: SystemParts) -> Iterator[str]:
    """Shards that accept no new streams, and how to fix that, as text."""
    for _, why in sorted(parts.store.closed().items()):
        yield f"{why}; run verify, and restore a backup"


def _set_aside(parts: SystemParts) -> Iterator[str]:
    """Shards that are set aside: only they cannot be written; as text."""
    for shard, why in sorted(parts.store.set_aside().items()):
        yield f"shard {shard} is set aside: {clean(why.found, _ERROR_LIMIT)}"


def failed_consumers(parts: SystemParts) -> Iterator[str]:
    """Consumers of this system that have failed, with the error, as text.

    The system accepts commands and makes them durable without them.
    """
    for task in parts.readers.tasks():
        if task.state == "failed" and task.error is not None:
            yield f"consumer {task.name!r} has stopped: {clean(in_words(task.error), _ERROR_LIMIT)}"


def _waiting_steps(parts: SystemParts) -> Iterator[str]:
    """Whether so many steps wait for runs or actors that other steps lack threads; as text."""
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
    """Lag of the views, and number of waiting commands; ``None`` for each that cannot be read."""
    views: dict[str, ViewLag] | None = None
    try:
        with parts.store.within(READ_TIMEOUT):
            views = parts.views.lag()
            return views, _inbox(parts, held)
    except StoreError:
        return views, None


def _inbox(parts: SystemParts, held: frozenset[int]) -> int:
    """Number of unhandled commands for the shards in ``held``."""
    waiting = sa.select(sa.func.count()).select_from(INBOX).where(UNHANDLED)
    if len(held) < parts.store.shards:
        waiting = waiting.where(INBOX.c.shard.in_(sorted(held)))
    with parts.store.read_views() as connection:
        return connection.execute(waiting).scalar_one()
