"""Receives the hints of other processes, on a thread of its own."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from indelible.events.connections.broken_connection import discard
from indelible.loops import Loop
from indelible.threads import refusals

_FIRST_PAUSE, _LAST_PAUSE = 0.05, 1.0  # seconds until the next try, if the server is not reached

_log = logging.getLogger(__name__)

OnHint = Callable[[str], None]
"""Gets the payload of a hint; empty if hints may have been missed."""


class NotifyListener:
    """Listens to some channels; a hint may come late, twice, or not at all."""

    def __init__(
        self, engine: sa.Engine, channels: Mapping[str, OnHint], name: str, silence_limit: float
    ) -> None:
        """Prepare to listen to ``channels``, by name; :meth:`start` starts the thread.

        After ``silence_limit`` seconds without a hint it asks the server whether it still answers.
        """
        self._engine = engine
        self._silence_limit = silence_limit
        self._channels = channels
        self._stop_sender, self._stop_receiver = socket.socketpair()
        self._stopped = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._name = f"{name}: hints of others"
        self._loop = Loop(self._name)

    def start(self) -> None:
        """Listen from now on; may be called twice.

        While the host gives no thread, hints are missed, and only polls find new events.
        """
        with self._lock:
            if self._thread is None and not self._stopped:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                if refusals.start(thread, self.start):
                    self._thread = thread

    def stop(self) -> None:
        """Stop listening."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        refusals.forget(self.start)
        if thread is not None:
            self._stop_sender.send(b"!")
            thread.join()
        self._stop_sender.close()
        self._stop_receiver.close()

    def _work(self) -> None:
        self._loop.run(self._listen_until_stopped, partial(self._wait, ()))

    def _listen_until_stopped(self) -> bool:
        pause = _FIRST_PAUSE
        while not self._stopped:
            connection: sa.Connection | None = None
            try:
                connection = self._engine.connect()
                driver: Any = connection.connection.driver_connection
                for channel in self._channels:
                    driver.execute(f"LISTEN {channel}")
                for on_hint in self._channels.values():
                    on_hint("")
                pause = _FIRST_PAUSE
                self._listen(driver)
            except (SQLAlchemyError, psycopg.Error, OSError) as error:
                _log.debug("no hints are received: %s", error)
                self._wait([], pause)
                pause = min(2 * pause, _LAST_PAUSE)
            finally:
                discard(connection)
        return False

    def _listen(self, driver: psycopg.Connection[Any]) -> None:
        while not self._stopped:
            for hint in driver.notifies(timeout=0):
                self._channels[hint.channel](hint.payload)
            self._loop.succeeded()
            if not (self._stopped or self._wait([driver.fileno()], self._silence_limit)):
                driver.execute("")

    def _wait(self, files: Sequence[int], timeout: float) -> bool:
        """Wait for one of ``files``, or for :meth:`stop`; ``False`` after ``timeout`` seconds."""
        with selectors.DefaultSelector() as selector:
            for file in (*files, self._stop_receiver.fileno()):
                selector.register(file, selectors.EVENT_READ)
            return bool(selector.select(timeout))
