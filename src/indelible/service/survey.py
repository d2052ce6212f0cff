"""How a store is served, seen from outside: what its processes report, and what its log says.

Needs no process to answer: a reader of the database makes up its own mind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from indelible.actors.durable.commit.promises import AT_ONCE
from indelible.actors.workflow.state.run_state import RESUMED
from indelible.events.inbox.sql_inbox import INBOX
from indelible.projections.queries.view_lag import ViewLag
from indelible.reports import Process, read_processes

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
    """What the log says by itself.

    Attributes:
        events: Committed events of all shards.
        runs: Unfinished runs by state.
        overdue_s: Seconds since the oldest instant at which a stream wanted to be woken; 0 if
            that is to come, or if there is none.
        inbox: Commands that no process has answered.
        views: How far each view is behind the log, by name.
    """

    events: int
    runs: dict[str, int]
    overdue_s: float
    inbox: int
    views: dict[str, ViewLag]


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment.

    Attributes:
        url: Address of the store.
        shards: How many shards it has.
        verdict: :data:`HEALTHY`, :data:`UNHEALTHY` or :data:`UNSERVED`.
        why: What led to that, in words; notes on dead processes and failed consumers also if all
            is well.
        processes: The one that began last first; dead ones too, for an hour.
    """

    url: str
    at: int
    shards: int
    verdict: int
    why: Sequence[str]
    processes: Sequence[Process]
    log: Log


def take_survey(parts: SystemParts) -> Survey:
    """Look at the store of an open system, which may only read.

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

    A process that holds leases and reports nothing counts: its program does not care to report.
    """
    if not processes:
        return UNSERVED, ["no process serves this store"]
    why: list[str] = []
    held, unready = 0, False
    for process in processes:
        who = f"process {process.pid} on {process.host}"
        if not process.alive:
            why.append(f"{who} is stale: {_silence(process)}")
        elif process.health is None:
            why.append(f"{who} holds a lease and reports nothing")
            held += process.shards
        elif not process.health.ready:
            why += [f"{who} is not ready: {reason}" for reason in process.health.why]
            unready |= process.health.state != "draining"
        else:
            why += [f"{who} is ready, but: {reason}" for reason in process.health.why]
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
    """When the first stream wanted to be woken, unfinished runs by state, unanswered commands."""
    streams = _STREAMS.c
    # SQLite holds text and bytes, as damage may put them there, for greater than all numbers.
    timed = streams.wake_at.between(AT_ONCE + 1, _INT_MAX)  # what is under way has no time
    first = sa.select(sa.func.min(streams.wake_at)).where(timed)
    states = (
        sa.select(streams.status, sa.func.count())
        .where((streams.category == "run") & streams.status.in_(RESUMED))
        .group_by(streams.status)
    )
    waiting = sa.select(sa.func.count()).where(INBOX.c.answered_at == 0)
    return (
        connection.execute(first).scalar_one() or 0,
        {row[0] or "without status": row[1] for row in connection.execute(states)},
        connection.execute(waiting).scalar_one(),
    )
