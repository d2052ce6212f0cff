"""Cuts exchanges with the database that get no answer, from a thread of its own.

A server may stop answering while TCP still acknowledges what is sent: then the waiting call never
returns by itself.  The watchdog checks all connections at intervals, and shuts down the socket of a
connection without progress; its call fails, as if the server had closed the connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar
from weakref import WeakSet

from indelible.clock import Clock
from indelible.loops import Loop
from indelible.threads import start_now

CHECKS = 8
"""Checks of an exchange before it counts as silent: after a pause of the whole process, the time of
the pause does not count as silence of the database."""

_OVER = 0.02  # seconds between checks after the limit of a call: its later exchanges are cut too

C = TypeVar("C", bound="Watched")


class Watched(Protocol):
    """A connection.  The last two attributes are set by the watchdog, the others by its user.

    Attributes:
        waiting: Whether a thread waits for an answer.
        thread: That thread's identifier.
        progress: A counter that grows with each request, and with each part of an answer.
        silence_limit: Checks without progress after which the connection is cut.
        seen: The value of ``progress`` at the last check.
        silent: Checks since then.
    """

    waiting: bool
    thread: int
    progress: int
    silence_limit: float
    seen: int
    silent: int

    def cut(self, why: str) -> None:
        """Make the exchange under way fail and the connection unusable; from any thread."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Watchdog:
    """Watches the connections of one store; its methods are for any thread."""

    def __init__(self, clock: Clock, interval: float, name: str) -> None:
        """Watch nothing yet; ``interval`` is in seconds, ``name`` is the name of the thread."""
        self._clock = clock
        self.interval = interval
        self._name = name
        self.reset()

    def reset(self) -> None:
        """Start without connections: also for a forked child, in which no thread watches."""
        self._changed = threading.Condition()
        self._connections: WeakSet[Watched] = WeakSet()
        self._limits: dict[int, float] = {}  # end of each thread's call, monotonic ns
        self._end: int | None = None  # end of all exchanges, monotonic ns
        self._stopped = True
        self._thread: threading.Thread | None = None

    # -- life

    def start(self) -> None:
        """Watch from now on.

        Raises:
            ThreadUnavailableError: The host gives no thread; nothing is watched.
        """
        with self._changed:
            self._end = None
            self._stopped = False
            if self._thread is None:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                start_now(thread)
                self._thread = thread

    def stop(self) -> None:
        """Stop watching once no thread waits for an answer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    # -- limits

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut exchanges of this thread in the block that have not ended ``seconds`` from now."""
        thread = threading.get_ident()
        until = self._clock.monotonic() + seconds * 1e9
        with self._changed:
            outer = self._limits.get(thread)
            self._limits[thread] = until if outer is None else min(until, outer)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                if outer is None:
                    del self._limits[thread]
                else:
                    self._limits[thread] = outer

    def end_within(self, seconds: float) -> None:
        """Cut all exchanges that have not ended ``seconds`` from now, and all later ones.

        A second call may only make it earlier; :meth:`start` removes the limit.
        """
        until = self._clock.monotonic() + round(seconds * 1e9)
        with self._changed:
            self._end = until if self._end is None else min(until, self._end)
            self._changed.notify_all()

    # -- connections

    def connect(self, make: Callable[[], C], seconds: float) -> C:
        """Call ``make`` and watch the connection that it returns within ``seconds``.

        ``make`` runs on a thread of its own, since resolving a host name cannot be interrupted.

        Raises:
            ConnectionError: ``make`` took longer, or a limit of the call or of all is over.
        """
        attempt = _Connecting(make, self._changed)
        until = self._clock.monotonic() + round(seconds * 1e9)
        with self._changed:
            self._check(until)
        attempt.start()
        try:
            with self._changed:
                while not attempt.over:
                    self._changed.wait(self._check(until))
        except BaseException:
            attempt.give_up()
            raise
        connection = attempt.result()
        with self._changed:
            self._connections.add(connection)
        return connection

    def _check(self, until: int) -> float:
        """Return the seconds until the first of ``until`` and the limits of this thread."""
        limits = (until, self._limits.get(threading.get_ident()), self._end)
        left = min(at for at in limits if at is not None) - self._clock.monotonic()
        if left <= 0:
            raise ConnectionError("no connection in time: the server does not answer")
        return left / 1e9

    # -- the watchdog's thread

    def _work(self) -> None:
        self._check_at = self._clock.monotonic()
        Loop(self._name).run(self._turn, self._rest)

    def _turn(self) -> bool:
        with self._changed:
            if self._stopped and not any(one.waiting for one in self._connections):
                self._thread = None
                return False
            self._changed.wait(self._pause(self._check_at))
            connections = list(self._connections)
        now = self._clock.monotonic()
        if now >= self._check_at:
            self.check(connections)
            self._check_at = now + round(self.interval * 1e9)
        self._enforce(connections, now)
        return True

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait(seconds)

    def _pause(self, check_at: int) -> float:
        now = self._clock.monotonic()
        limits = [*self._limits.values(), *(() if self._end is None else (self._end,))]
        first = min(limits, default=check_at)
        until_limit = (first - now) / 1e9 if first > now else _OVER
        return max(0.0, min(until_limit, (check_at - now) / 1e9))

    def check(self, connections: list[Watched]) -> None:
        """Count the checks without progress, and cut the connections above their limit."""
        for one in connections:
            if not one.waiting or one.seen != one.progress:
                one.seen, one.silent = one.progress, 0
                continue
            one.silent += 1
            if one.silent >= one.silence_limit:
                one.cut(f"the database has not answered for {one.silent * self.interval:.1f} s")

    def _enforce(self, connections: list[Watched], now: int) -> None:
        with self._changed:
            over = {thread for thread, until in self._limits.items() if until <= now}
            all_over = self._end is not None and self._end <= now
        for one in connections:
            if one.waiting and (all_over or one.thread in over):
                one.cut("the database has not answered in the time that there was")


class _Connecting(Generic[C]):
    """One attempt to connect, on a thread of its own."""

    def __init__(self, make: Callable[[], C], changed: threading.Condition) -> None:
        self._make = make
        self._changed = changed
        self._given_up = False
        self._connection: C | None = None
        self._error: BaseException | None = None
        self.over = False

    def start(self) -> None:
        try:
            threading.Thread(target=self._run, name="indelible-connect", daemon=True).start()
        except RuntimeError:  # the host gives no thread: connect on this one
            self._run()

    def _run(self) -> None:
        try:
            self._connection = self._make()
        except BaseException as error:  # noqa: BLE001 - raised by result()
            self._error = error
        with self._changed:
            self.over = True
            late = self._connection if self._given_up else None
            self._changed.notify_all()
        if late is not None:
            late.close()

    def give_up(self) -> None:
        with self._changed:
            self._given_up = True
            late = self._connection if self.over else None
        if late is not None:
            late.close()

    def result(self) -> C:
        error, self._error = self._error, None
        if error is not None:
            raise error
        assert self._connection is not None
        return self._connection
