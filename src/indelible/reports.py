"""Reports the health of this process to others, in its row of the table ``processes``."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec
import sqlalchemy as sa

from indelible.api.facade import access_to
from indelible.errors import StoreError, SystemClosedError, ThreadUnavailableError
from indelible.events.lease.role_rows import is_leased
from indelible.loops import Loop
from indelible.service.health import READ_TIMEOUT, take_health
from indelible.service.health_report import Health
from indelible.service.process_rows import PROCESSES, REPLACED, database_now
from indelible.threads import start_now

if TYPE_CHECKING:
    from indelible.api.system import ActorSystem

logger = logging.getLogger("indelible.reports")

INTERVAL = 1.0
"""Seconds between two reports: to a person who watches, the figures look live."""

_KEPT = 3_600
"""Seconds that the row of a dead process is kept, so that users can see how it ended."""


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
        now = database_now(connection)
        stores_row = self._system.store.process  # the store has made a row for this process
        own_row = sa.update(PROCESSES).where(PROCESSES.c.id == (stores_row or self._own_id))
        values = {"name": self._name, "report": report, "reported_at": now}
        if connection.execute(own_row.values(values)).rowcount or stores_row:
            return  # if that row is missing, the store makes it with its next lease
        if not is_leased(connection):  # this process has the kernel's lock: all others have ended
            connection.execute(sa.update(PROCESSES).values(lease_until=REPLACED))
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
