"""Rows of processes in the table ``processes``, as other processes read them.

A row that is not renewed shows that its process has died or hangs; no process is contacted.
All times are of the database's clock, so that the clocks of hosts need not agree.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from indelible.events.connections.database_clock import NOW
from indelible.events.inbox.inbox import TEXT_LIMIT
from indelible.events.lease.role_rows import is_leased
from indelible.service.health_report import Health

STALE = 5.0
"""Seconds without a report (five reports) after which a process counts as dead or hanging."""

_REPORT_LIMIT = 1024 * 1024
"""Bytes of a report: it lists each view and consumer, and some threads."""

REPLACED = -1
"""A value of ``lease_until``: the store has one owner at a time, and another process owns it
now."""

PROCESSES = sa.table(
    "processes",
    sa.column("id", sa.Text),
    sa.column("name", sa.Text),
    sa.column("host", sa.Text),
    sa.column("pid", sa.BigInteger),
    sa.column("since", sa.BigInteger),
    sa.column("lease_until", sa.BigInteger),
    sa.column("report", sa.LargeBinary),
    sa.column("reported_at", sa.BigInteger),
)

_SHARDS = sa.table("shards", sa.column("owner", sa.Text), sa.column("lease_until", sa.BigInteger))


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process, as its row describes it.

    Attributes:
        since: Microseconds UTC, by the database's clock.
        shards: Shards it holds now: by their leases, or by its last report if the store has no
            leases.
        report_age_s: Seconds since its last report, ``None`` if it has never reported.
        alive: Whether it has reported lately, or holds a lease.
        replaced: Whether it is known to be dead, because another process owns its store.
        health: Its last report; ``None`` if there is none, or none that can be read.
    """

    id: str
    name: str
    host: str
    pid: int
    since: int
    shards: int
    report_age_s: float | None
    alive: bool
    replaced: bool
    health: Health | None


def read_processes(connection: sa.Connection) -> list[Process]:
    """All processes that have a row, the latest to start first."""
    now = database_now(connection)
    leased: dict[str, int] | None = None
    if is_leased(connection):
        running = sa.select(_SHARDS.c.owner, sa.func.count()).where(_SHARDS.c.lease_until > now)
        owners = connection.execute(running.group_by(_SHARDS.c.owner))
        leased = {row[0]: row[1] for row in owners}
    order = (PROCESSES.c.since.desc(), PROCESSES.c.id)
    columns = [*map(_cut, PROCESSES.c), now.label("now")]
    query: sa.Select[*tuple[Any, ...]] = sa.select(*columns).order_by(*order)
    return [_process(row, leased) for row in connection.execute(query)]


def _cut(column: sa.ColumnClause[Any]) -> sa.ColumnElement[Any]:
    """The value of ``column``, cut to the size that a process writes at most."""
    most = {"name": TEXT_LIMIT, "host": TEXT_LIMIT, "report": _REPORT_LIMIT}.get(column.name)
    return column if most is None else sa.func.substr(column, 1, most).label(column.name)


def _process(row: sa.Row[*tuple[Any, ...]], leased: dict[str, int] | None) -> Process:
    health = _decoded(row.report)
    reported_at, lease_until = _number(row.reported_at), _number(row.lease_until)
    age = (row.now - reported_at) / 1e6 if reported_at else None
    reports = age is not None and abs(age) <= STALE and lease_until != REPLACED
    return Process(
        id=_text(row.id),
        name=_text(row.name),
        host=_text(row.host),
        pid=_number(row.pid),
        since=_number(row.since),
        shards=(health.shards.held if health else 0) if leased is None else leased.get(row.id, 0),
        report_age_s=None if age is None else max(0.0, age),
        alive=reports or (age is None and lease_until > row.now),
        replaced=lease_until == REPLACED,
        health=health,
    )


def _decoded(report: bytes) -> Health | None:
    try:
        return msgspec.msgpack.decode(report, type=Health)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
        return None  # none yet, damaged, or from a version with other fields


def _number(value: object) -> int:
    """0 if the row is damaged: SQLite takes any type for any column."""
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ascii(value)


def database_now(connection: sa.Connection) -> sa.ColumnElement[int]:
    """Microseconds UTC by the database's clock."""
    return sa.literal_column(NOW[connection.dialect.name], sa.BigInteger)
