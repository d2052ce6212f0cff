"""A proxy in front of PostgreSQL that can go silent: it acknowledges, and passes nothing on."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import sqlalchemy as sa

_CHUNK = 65_536
_REQUESTS, _ANSWERS = "requests", "answers"


class _Side:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, target: socket.socket, kind: str) -> None:
        self.source = source
        self.target = target
        self.kind = kind
        self.silent = False


class SilentProxy:
    """Listens on the loopback interface for the server of a database's address.

    All sockets are one thread's; methods return when it has done what they say.
    """

    def __init__(self, url: str) -> None:
        self._server = sa.make_url(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._bell, self._ear = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._orders: SimpleQueue[tuple[Callable[[], None], threading.Event]] = SimpleQueue()
        self._sides: list[_Side] = []
        self._unserved: list[socket.socket] = []  # accepted, and left without a word
        self._left_unserved = threading.Semaphore(0)
        self._serving = True
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        """The database's address through this proxy."""
        port = self._listener.getsockname()[1]
        address = self._server.set(host="127.0.0.1", port=port, query={})
        return address.render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._order(self._end)
        self._thread.join()

    # -- for the test

    def silence(self, *, answers_only: bool = False, newcomers: bool = False) -> None:
        """Pass nothing on any more, on the connections that there are; nothing is closed.

        With ``answers_only`` the server still gets what it is asked.  With ``newcomers`` new
        connections are accepted and get no answer either.
        """

        def order() -> None:
            for side in self._sides:
                if side.kind == _ANSWERS or not answers_only:
                    self._be_silent(side)
            self._serving = not newcomers

        self._order(order)

    def speak(self) -> None:
        """Pass on everything, from all connections that are still there, and serve new ones."""

        def order() -> None:
            self._serving = True
            for side in self._sides:
                if side.silent:
                    side.silent = False
                    self._selector.register(side.source, selectors.EVENT_READ, side)
            unserved, self._unserved = self._unserved, []
            for one in unserved:
                self._serve(one)

        self._order(order)

    def wait_for_newcomer(self) -> None:
        """Return when another new connection has been accepted, and got no answer."""
        assert self._left_unserved.acquire(timeout=30)

    def _order(self, order: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.put((order, done))
        self._bell.send(b"!")
        assert done.wait(30)

    # -- its thread

    def _work(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._ear:
                    self._obey()
                elif key.fd >= 0 and not key.data.silent:
                    self._pass_on(key.data)

    def _obey(self) -> None:
        self._ear.recv(1)
        order, done = self._orders.get()
        order()
        done.set()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._serving:
            self._serve(client)
        else:
            self._unserved.append(client)
            self._left_unserved.release()

    def _serve(self, client: socket.socket) -> None:
        server = self._connect()
        for side in (_Side(client, server, _REQUESTS), _Side(server, client, _ANSWERS)):
            self._sides.append(side)
            self._selector.register(side.source, selectors.EVENT_READ, side)

    def _connect(self) -> socket.socket:
        directory, port = self._server.query.get("host"), self._server.port or 5432
        if isinstance(directory, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(Path(directory) / f".s.PGSQL.{port}"))
            return server
        return socket.create_connection((self._server.host or "127.0.0.1", port))

    def _pass_on(self, side: _Side) -> None:
        if side not in self._sides:
            return  # closed by its other direction a moment ago
        try:
            data = side.source.recv(_CHUNK)
            side.target.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._close({side.source, side.target})

    def _be_silent(self, side: _Side) -> None:
        if not side.silent:
            side.silent = True
            self._selector.unregister(side.source)

    def _close(self, sockets: set[socket.socket]) -> None:
        for side in [one for one in self._sides if one.source in sockets]:
            self._be_silent(side)
            self._sides.remove(side)
        for one in sockets:
            one.close()

    def _end(self) -> None:
        self._close({side.source for side in self._sides})
        for one in (self._listener, self._ear, self._bell, *self._unserved):
            one.close()
        self._selector.close()
        self._ended = True
