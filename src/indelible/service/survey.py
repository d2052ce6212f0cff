"""A survey of a store from outside: the reports of its processes, and figures from its log.

It only reads the database; no process needs to answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from indelible.actors.durable.commit.promises import AT_ONCE
from indelible.actors.workflow.state.run_state import RESUMED
from indelible.events.inbox.sql_inbox import INBOX, UNHANDLED
from indelible.projections.queries.view_lag import ViewLag
from indelible.service.process_rows import Process, read_processes

if TYPE_CHECKING:
    from indelible.assembly.system_parts import SystemParts

HEALTHY, UNHEALTHY, UNSERVED = 0, 1, 2
"""Verdicts, as exit codes of ``indelible health``."""

_INT_MAX = 2**63 - 1

_STREAMS = sa.table(
    "streams",
    sa.column("category", sa.Text),
    sa.column("status", sa.Text),
    sa.column("wake_at", sa.BigInteger),
)


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """Figures from the log.

    Attributes:
        events: Committed events of all shards.
        runs: Unfinished runs by state.
        overdue_s: Seconds since the earliest ``wake_at`` of a stream; 0 if it is in the future, or
            there is none.
        inbox: Commands that no process has handled.
        views: How far each view is behind the log, by name.
    """

    events: int
    runs: dict[str, int]
    overdue_s: float
    inbox: int
    views: dict[str, ViewLag]


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The survey at one moment.

    Attributes:
        url: Address of the store.
        shards: Number of shards of the store.
        verdict: :data:`HEALTHY`, :data:`UNHEALTHY` or :data:`UNSERVED`.
        why: The reasons, as text; a healthy store has notes on dead processes and failed consumers.
        processes: The latest to start first; dead processes are kept for an hour.
    """

    url: str
    at: int
    shards: int
    verdict: int
    why: Sequence[str]
    processes: Sequence[Process]
    log: Log


def take_survey(parts: SystemParts) -> Survey:
    """Survey the store of an open system, which may be one that only reads.

    Raises:
        StoreUnavailableError: The database does not answer.
    """
    store, now = parts.store, parts.clock.now()
    with store.read_views() as connection:
        processes = read_processes(connection)
        overdue, runs, inbox = _read_log(connection)
    log = Log(
        events=sum(store.positions().values()),
        runs=runs,
        overdue_s=max(0, now - overdue) / 1e6 if overdue else 0.0,
        inbox=inbox,
        views=parts.views.lag(),
    )
    verdict, why = judge(processes, store.shards)
    return Survey(
        url=store.url,
        at=now,
        shards=store.shards,
        verdict=verdict,
        why=why,
        processes=processes,
        log=log,
    )


def judge(processes: Sequence[Process], shards: int) -> tuple[int, list[str]]:
    """A verdict and its reasons: healthy if ready processes hold all of ``shards``.

    A process that holds leases and does not report counts as ready: its program has no reporter.
    """
    if not processes:
        return UNSERVED, ["no process serves this store"]
    why: list[str] = []
    held, unready = 0, False
    for process in processes:
        name = f"process {process.pid} on {process.host}"
        if not process.alive:
            why.append(f"{name} is stale: {_silence(process)}")
        elif process.health is None:
            why.append(f"{name} holds a lease and reports nothing")
            held += process.shards
        elif not process.health.ready:
            why += [f"{name} is not ready: {reason}" for reason in process.health.why]
            unready |= process.health.state != "draining"
        else:
            why += [f"{name} is ready, but: {reason}" for reason in process.health.why]
            held += process.shards
    if held < shards:
        why.append(f"ready processes hold {held} of {shards} shards")
    return (UNHEALTHY if unready or held < shards else HEALTHY), why


def _silence(process: Process) -> str:
    if process.replaced:
        return "another process has taken its place"
    age = process.report_age_s
    return "its lease is over" if age is None else f"its last report is {age:,.0f} s old"


def _read_log(connection: sa.Connection) -> tuple[int, dict[str, int], int]:
    """The earliest ``wake_at``, the unfinished runs by state, the number of unanswered commands."""
    streams = _STREAMS.c
    # In SQLite text and bytes, which damage may put there, are greater than all numbers.
    timed = streams.wake_at.between(AT_ONCE + 1, _INT_MAX)  # a running stream has no time
    first = sa.select(sa.func.min(streams.wake_at)).where(timed)
    states = (
        sa.select(streams.status, sa.func.count())
        .where((streams.category == "run") & streams.status.in_(RESUMED))
        .group_by(streams.status)
    )
    waiting = sa.select(sa.func.count()).select_from(INBOX).where(UNHANDLED)
    return (
        connection.execute(first).scalar_one() or 0,
        {row[0] or "without status": row[1] for row in connection.execute(states)},
        connection.execute(waiting).scalar_one(),
    )
