"""Connections that a watchdog can watch: each exchange is marked, which costs a microsecond."""

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
    moves = 0
    patience = float("inf")
    seen = -1
    silent = 0
    _cut_for = ""
    _line: socket.socket | None = None

    @classmethod
    def connect(cls, *arguments: Any, **options: Any) -> WatchedConnection:
        """Connect as :meth:`psycopg.Connection.connect` does, and keep a hand on the line.

        A second handle of the socket: its number is not given to another file while it is held, so
        that a cut never meets a stranger.
        """
        connection = super().connect(*arguments, **options)
        connection._line = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        return connection

    def cut(self, why: str) -> None:
        """Shut the line down: who waits for an answer gets an error; from any thread."""
        self._cut_for = self._cut_for or why
        line = self._line
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def handles(self) -> tuple[int, ...]:
        """The numbers of both handles."""
        line = self._line
        return (self.fileno(),) if line is None else (self.fileno(), line.fileno())

    def close(self) -> None:
        """Close both handles."""
        super().close()
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def wait(self, gen: Generator[Any, Any, RV], *arguments: Any, **options: Any) -> RV:
        """Do one exchange with the server: every method of the driver waits here."""
        self.thread = threading.get_ident()
        self.moves += 1
        self.waiting = True
        try:
            return super().wait(self._noting_moves(gen), *arguments, **options)
        except psycopg.Error as error:
            if self._cut_for:
                raise psycopg.OperationalError(self._cut_for) from error
            raise
        finally:
            self.waiting = False

    def _noting_moves(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        """Let each piece that comes, or can be sent, count as a move."""
        try:
            state = next(gen)
            while True:
                ready = yield state
                if ready:
                    self.moves += 1
                state = gen.send(ready)
        except StopIteration as end:
            value: RV = end.value
            return value
