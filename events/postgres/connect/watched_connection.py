"""Connections that a watchdog can watch: marking each exchange costs a microsecond."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import suppress
from typing import Any, TypeVar

import psycopg

RV = TypeVar("RV")


class WatchedConnection(psycopg.Connection[Any]):
    """The driver's connection, see :class:`indelible.events.postgres.connect.watchdog.Watched`."""

    waiting = False
    thread = 0
    progress = 0
    silence_limit = float("inf")
    seen = -1
    silent = 0
    _cut_for = ""
    _socket: socket.socket | None = None

    @classmethod
    def connect(cls, *arguments: Any, **options: Any) -> WatchedConnection:
        """Connect as :meth:`psycopg.Connection.connect` does, and duplicate the socket.

        While the duplicate is open, the system gives its number to no other file, so that
        :meth:`cut` never shuts down another file.
        """
        connection = super().connect(*arguments, **options)
        connection._socket = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        return connection

    def cut(self, why: str) -> None:
        """Shut the socket down, so that a waiting thread gets an error; from any thread."""
        self._cut_for = self._cut_for or why
        duplicate = self._socket
        if duplicate is not None:
            with suppress(OSError):
                duplicate.shutdown(socket.SHUT_RDWR)

    def handles(self) -> tuple[int, ...]:
        """Return the file numbers of the socket and its duplicate."""
        duplicate = self._socket
        return (self.fileno(),) if duplicate is None else (self.fileno(), duplicate.fileno())

    def close(self) -> None:
        """Close the socket and its duplicate."""
        super().close()
        duplicate, self._socket = self._socket, None
        if duplicate is not None:
            duplicate.close()

    def wait(self, gen: Generator[Any, Any, RV], *arguments: Any, **options: Any) -> RV:
        """Do one exchange with the server: every method of the driver waits here."""
        self.thread = threading.get_ident()
        self.progress += 1
        self.waiting = True
        try:
            return super().wait(self._counting_progress(gen), *arguments, **options)
        except psycopg.Error as error:
            if self._cut_for:
                raise psycopg.OperationalError(self._cut_for) from error
            raise
        finally:
            self.waiting = False

    def _counting_progress(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        """Count each part that arrives, or can be sent, as progress."""
        try:
            state = next(gen)
            while True:
                ready = yield state
                if ready:
                    self.progress += 1
                state = gen.send(ready)
        except StopIteration as end:
            value: RV = end.value
            return value
