"""Health reports of processes, for other processes: one row each in the table ``processes``.

A row that is not renewed shows that its process has died or hangs; no process is contacted.
All times are of the database's clock, so that the clocks of hosts need not agree.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec
import sqlalchemy as sa

from indelible.api.facade import access_to
from indelible.errors import StoreError, SystemClosedError, ThreadUnavailableError
from indelible.events.connections.database_clock import NOW
from indelible.events.inbox.inbox import TEXT_LIMIT
from indelible.events.lease.role_rows import is_leased
from indelible.loops import Loop
from indelible.service.health import READ_TIMEOUT, Health, take_health
from indelible.threads import start_now

if TYPE_CHECKING:
    from indelible.api.system import ActorSystem

logger = logging.getLogger("indelible.reports")

INTERVAL = 1.0
"""Seconds between two reports: to a person who watches, the figures look live."""

STALE = 5.0
"""Seconds without a report (five reports) after which a process counts as dead or hanging."""

_KEPT = 3_600
"""Seconds that the row of a dead process is kept, so that users can see how it ended."""

_REPORT_LIMIT = 1024 * 1024
"""Bytes of a report: it lists each view and consumer, and some threads."""

_REPLACED = -1
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
    now = _now(connection)
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
    reports = age is not None and abs(age) <= STALE and lease_until != _REPLACED
    return Process(
        id=_text(row.id),
        name=_text(row.name),
        host=_text(row.host),
        pid=_number(row.pid),
        since=_number(row.since),
        shards=(health.shards.held if health else 0) if leased is None else leased.get(row.id, 0),
        report_age_s=None if age is None else max(0.0, age),
        alive=reports or (age is None and lease_until > row.now),
        replaced=lease_until == _REPLACED,
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


def _now(connection: sa.Connection) -> sa.ColumnElement[int]:
    """Microseconds UTC by the database's clock."""
    return sa.literal_column(NOW[connection.dialect.name], sa.BigInteger)


class Reporter:
    """Keeps the row of one open system up to date while entered, on its own daemon thread.

    A store that cannot be written is no error here: the row grows old, and readers see that.
    """

    def __init__(
        self,
        system: ActorSystem,
        name: str = "",
        on_report: Callable[[Health], None] = lambda _health: None,
    ) -> None:
        """Report nothing yet.

        Args:
            system: Must stay open, and own its store, until :meth:`stop` has returned.
            name: A name of the process for people.
            on_report: Called with each report, on the reporter's thread; quick, never raises.
        """
        self._system = system
        self._name = name
        self._on_report = on_report
        self._own_id = system.ids.text()
        self._stopped = False
        self._woken = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="indelible-reports", daemon=True)

    def __enter__(self) -> Self:
        """Report once, then continue on the reporter's thread.

        Raises:
            ThreadUnavailableError: The host gives no thread; there is no row.
        """
        self.report()
        try:
            start_now(self._thread)
        except ThreadUnavailableError:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """Stop reporting and delete the row; may be called twice."""
        self._stopped = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()
        store = self._system.store
        try:
            with store.within(READ_TIMEOUT), store.write_views() as connection:
                # a row that the store has made stays
                connection.execute(sa.delete(PROCESSES).where(PROCESSES.c.id == self._own_id))
        except (StoreError, SystemClosedError) as error:
            logger.warning("the health report of this process could not be deleted: %s", error)

    def report_now(self) -> None:
        """Report at once, on the reporter's thread, after a change that others wait for."""
        self._woken.set()

    def report(self) -> None:
        """Measure the system's health and store it."""
        health = take_health(access_to(self._system).parts)
        if not health.ready:
            self._on_report(health)  # first: the database may not answer
        self._store_report(health)
        if health.ready:
            self._on_report(health)  # then others can see it

    def _store_report(self, health: Health) -> None:
        store = self._system.store
        try:
            with store.within(READ_TIMEOUT), store.write_views() as connection:
                self._write(connection, msgspec.msgpack.encode(health))
        except StoreError as error:
            if not self._failing:
                logger.warning("the health report of this process could not be stored: %s", error)
            self._failing = True
        else:
            self._failing = False

    def _write(self, connection: sa.Connection, report: bytes) -> None:
        now = _now(connection)
        stores_row = self._system.store.process  # the store has made a row for this process
        own_row = sa.update(PROCESSES).where(PROCESSES.c.id == (stores_row or self._own_id))
        values = {"name": self._name, "report": report, "reported_at": now}
        if connection.execute(own_row.values(values)).rowcount or stores_row:
            return  # if that row is missing, the store makes it with its next lease
        if not is_leased(connection):  # this process has the kernel's lock: all others have ended
            connection.execute(sa.update(PROCESSES).values(lease_until=_REPLACED))
        old = (PROCESSES.c.lease_until < now) & (PROCESSES.c.reported_at < now - _KEPT * 1_000_000)
        connection.execute(sa.delete(PROCESSES).where(old))
        connection.execute(
            sa.insert(PROCESSES).values(
                id=self._own_id,
                name=self._name,
                host=socket.gethostname(),
                pid=os.getpid(),
                since=now,
                lease_until=0,
                report=report,
                reported_at=now,
            )
        )

    def _run(self) -> None:
        Loop("indelible-reports").run(self._turn, self._woken.wait)

    def _turn(self) -> bool:
        self._woken.wait(INTERVAL)
        self._woken.clear()
        if self._stopped:
            return False
        try:
            self.report()
        except SystemClosedError:
            return False
        return True
