"""Sends hints to other processes that events were committed, at most every 10 ms.

A hint has its own transaction: NOTIFY takes a lock for which the commits of all processes would
queue.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from indelible.events.connections.broken_connection import discard
from indelible.loops import Loop
from indelible.threads import start_now

EVENTS_CHANNEL = "indelible_events"
"""Channel of hints after commits; the payload is ``process:shard,shard``."""

_PAUSE = 0.010  # seconds between two hints; a hint costs the server some 0.1 ms
_NOTIFY = "SELECT pg_notify(%s, %s)"

_log = logging.getLogger(__name__)


class Notifier:
    """Sends the hints of a process; any thread may add shards."""

    def __init__(self, engine: sa.Engine, process: str, name: str) -> None:
        """Connect on first use, on a thread that :meth:`start` starts."""
        self._engine = engine
        self._process = process
        self._lock = threading.Lock()
        self._written: set[int] = set()
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._connection: sa.Connection | None = None
        self._thread = threading.Thread(target=self._work, name=f"{name}: hints", daemon=True)

    def start(self) -> None:
        """Start the thread that sends hints.

        Raises:
            ThreadUnavailableError: The host gives no thread.
        """
        start_now(self._thread)

    def stop(self) -> None:
        """Stop sending."""
        self._stopped.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def add(self, shards: Iterable[int]) -> None:
        """Send a hint for ``shards`` soon; quick, never raises."""
        with self._lock:
            self._written.update(shards)
        if not self._woken.is_set():
            self._woken.set()

    def _work(self) -> None:
        Loop(self._thread.name).run(self._turn, self._stopped.wait)
        self._discard()

    def _turn(self) -> bool:
        if self._stopped.is_set():
            return False
        self._woken.wait()
        self._woken.clear()
        with self._lock:
            written, self._written = self._written, set()
        try:
            if written:
                self._send(f"{self._process}:{','.join(map(str, sorted(written)))}")
        except BaseException:
            self.add(written)
            raise
        self._stopped.wait(_PAUSE)
        return True

    def _send(self, payload: str) -> None:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
                self._connection.exec_driver_sql("SET synchronous_commit = off")
            driver: Any = self._connection.connection.driver_connection
            driver.execute(_NOTIFY, (EVENTS_CHANNEL, payload))
        except (SQLAlchemyError, psycopg.Error) as error:
            _log.debug("a hint was not sent: %s", error)
            self._discard()

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        discard(connection)
