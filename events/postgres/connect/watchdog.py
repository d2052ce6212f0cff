"""Ends exchanges with the database that get no answer, from a thread of its own.

A connection may go silent while TCP still acknowledges what is sent: then the call that waits for
it never returns by itself.  The watchdog looks at all connections now and then, and shuts down the
line of one that has not moved for long; its call fails, as when the server had closed it.
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

LOOKS = 8
"""Looks at an exchange until it is taken for silent: so a process that was stopped for a while
does not take that time for silence of the database."""

_OVER = 0.02  # seconds between looks while the time of a call is over: its next exchange ends, too

C = TypeVar("C", bound="Watched")


class Watched(Protocol):
    """A connection.  Its own thread sets all but the last two, which are the watchdog's.

    Attributes:
        waiting: Whether a thread waits for an answer.
        thread: That thread's identifier.
        moves: Another number whenever something is asked, or some of the answer comes.
        patience: Looks without a move after which it is silent.
        seen: The last value of ``moves`` that was looked at.
        silent: Looks since then.
    """

    waiting: bool
    thread: int
    moves: int
    patience: float
    seen: int
    silent: int

    def cut(self, why: str) -> None:
        """Have the exchange under way fail, and the connection be of no use; from any thread."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Watchdog:
    """Watches the connections of one store; any thread may call any method."""

    def __init__(self, clock: Clock, look_every: float, name: str) -> None:
        """Watch nothing yet; ``look_every`` is in seconds, ``name`` is for the thread."""
        self._clock = clock
        self.look_every = look_every
        self._name = name
        self.reset()

    def reset(self) -> None:
        """Know nothing: at first, and in a forked child, where no thread watches."""
        self._changed = threading.Condition()
        self._connections: WeakSet[Watched] = WeakSet()
        self._limits: dict[int, float] = {}  # of calls: by thread, monotonic ns
        self._end: int | None = None  # of everything, likewise
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
        """Watch no more, once nobody waits for an answer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    # -- limits

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let every exchange of this thread in the block end ``seconds`` from now, or fail."""
        me = threading.get_ident()
        until = self._clock.monotonic() + seconds * 1e9
        with self._changed:
            outer = self._limits.get(me)
            self._limits[me] = until if outer is None else min(until, outer)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                if outer is None:
                    del self._limits[me]
                else:
                    self._limits[me] = outer

    def end_within(self, seconds: float) -> None:
        """Let every exchange end ``seconds`` from now, and fail at once after that.

        A second call may make it earlier, never later; :meth:`start` takes it back.
        """
        until = self._clock.monotonic() + round(seconds * 1e9)
        with self._changed:
            self._end = until if self._end is None else min(until, self._end)
            self._changed.notify_all()

    # -- connections

    def connect(self, make: Callable[[], C], seconds: float) -> C:
        """What ``make`` returns, watched from now on; it gets ``seconds`` and no more.

        It is called on a thread of its own, since looking up a host's name cannot be cut short.

        Raises:
            ConnectionError: It took longer, or the time of the call or of everything is over.
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
        """Seconds until ``until``, or to the end of this thread's call or of everything."""
        limits = (until, self._limits.get(threading.get_ident()), self._end)
        left = min(at for at in limits if at is not None) - self._clock.monotonic()
        if left <= 0:
            raise ConnectionError("no connection in time: the server does not answer")
        return left / 1e9

    # -- the watchdog's thread

    def _work(self) -> None:
        self._look_at = self._clock.monotonic()
        Loop(self._name).run(self._turn, self._rest)

    def _turn(self) -> bool:
        with self._changed:
            if self._stopped and not any(one.waiting for one in self._connections):
                self._thread = None
                return False
            self._changed.wait(self._pause(self._look_at))
            connections = list(self._connections)
        now = self._clock.monotonic()
        if now >= self._look_at:
            self.look(connections)
            self._look_at = now + round(self.look_every * 1e9)
        self._enforce(connections, now)
        return True

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait(seconds)

    def _pause(self, look_at: int) -> float:
        now = self._clock.monotonic()
        limits = [*self._limits.values(), *(() if self._end is None else (self._end,))]
        first = min(limits, default=look_at)
        until_limit = (first - now) / 1e9 if first > now else _OVER
        return max(0.0, min(until_limit, (look_at - now) / 1e9))

    def look(self, connections: list[Watched]) -> None:
        """Count the looks without a move, and cut what has not moved for too many."""
        for one in connections:
            if not one.waiting or one.seen != one.moves:
                one.seen, one.silent = one.moves, 0
                continue
            one.silent += 1
            if one.silent >= one.patience:
                one.cut(f"the database has not answered for {one.silent * self.look_every:.1f} s")

    def _enforce(self, connections: list[Watched], now: int) -> None:
        with self._changed:
            over = {thread for thread, until in self._limits.items() if until <= now}
            all_over = self._end is not None and self._end <= now
        for one in connections:
            if one.waiting and (all_over or one.thread in over):
                one.cut("the database has not answered in the time that there was")


class _Connecting(Generic[C]):
    """One try to connect, on a thread of its own."""

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
        except RuntimeError:  # no thread to be had: better here than not at all
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
