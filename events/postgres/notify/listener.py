"""Hearing the hints of other processes, on a thread that does nothing else."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from indelible.loops import Loop
from indelible.threads import wanted

_FIRST_PAUSE, _LAST_PAUSE = 0.05, 1.0  # seconds until the next try, when the server is away

_log = logging.getLogger(__name__)

Heard = Callable[[str], None]
"""Gets the payload of a hint; empty if hints may have been missed."""


class NotifyListener:
    """Listens to some channels; what it hears may come late, twice, or not at all."""

    def __init__(
        self, engine: sa.Engine, channels: Mapping[str, Heard], name: str, patience: float
    ) -> None:
        """Connect on a thread that :meth:`start` starts; ``channels`` are names and who hears.

        After ``patience`` seconds without a hint it asks the server whether it is still there.
        """
        self._engine = engine
        self._patience = patience
        self._channels = channels
        self._bell, self._ear = socket.socketpair()  # rung to stop
        self._stopped = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._name = f"{name}: hints of others"
        self._loop = Loop(self._name)

    def start(self) -> None:
        """Listen from now on; may be called twice.

        While the host gives no thread, nothing is heard: hints are missed, and polls find the rest.
        """
        with self._lock:
            if self._thread is None and not self._stopped:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                if wanted.start(thread, self.start):
                    self._thread = thread

    def stop(self) -> None:
        """Listen no more."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        wanted.forget(self.start)
        if thread is not None:
            self._bell.send(b"!")
            thread.join()
        self._bell.close()
        self._ear.close()

    def _work(self) -> None:
        self._loop.run(self._attend, partial(self._wait, ()))

    def _attend(self) -> bool:
        pause = _FIRST_PAUSE
        while not self._stopped:
            connection: sa.Connection | None = None
            try:
                connection = self._engine.connect()
                driver: Any = connection.connection.driver_connection
                for channel in self._channels:
                    driver.execute(f"LISTEN {channel}")
                for heard in self._channels.values():
                    heard("")
                pause = _FIRST_PAUSE
                self._listen(driver)
            except (SQLAlchemyError, psycopg.Error, OSError) as error:
                _log.debug("no hints are heard: %s", error)
                self._wait([], pause)
                pause = min(2 * pause, _LAST_PAUSE)
            finally:
                if connection is not None:
                    with suppress(SQLAlchemyError, psycopg.Error):
                        connection.invalidate()
                        connection.close()
        return False

    def _listen(self, driver: psycopg.Connection[Any]) -> None:
        while not self._stopped:
            for hint in driver.notifies(timeout=0):
                self._channels[hint.channel](hint.payload)
            self._loop.succeeded()
            if not (self._stopped or self._wait([driver.fileno()], self._patience)):
                driver.execute("")

    def _wait(self, files: Sequence[int], timeout: float) -> bool:
        """Wait for one of ``files``, or for the bell; ``False`` if neither came in time."""
        with selectors.DefaultSelector() as selector:
            for file in (*files, self._ear.fileno()):
                selector.register(file, selectors.EVENT_READ)
            return bool(selector.select(timeout))
