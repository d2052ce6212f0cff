"""Which exchanges a watchdog ends; the test looks itself, or waits for what it was told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from indelible.clock import ManualClock, SystemClock
from indelible.events.postgres.connect.watchdog import CHECKS, Watchdog

PATIENCE = 30.0


class Line:
    """A connection that a thread waits for, until it is cut."""

    def __init__(self, thread: int = 0) -> None:
        self.waiting = True
        self.thread = thread
        self.progress = 0
        self.silence_limit: float = CHECKS
        self.seen = -1
        self.silent = 0
        self.cut_for = ""
        self.closed = threading.Event()
        self._cut = threading.Event()

    def cut(self, why: str) -> None:
        self.cut_for = why
        self.waiting = False
        self._cut.set()

    def close(self) -> None:
        self.closed.set()

    def wait(self) -> bool:
        return self._cut.wait(PATIENCE)


@pytest.fixture
def still() -> Watchdog:
    """One whose thread does not run: the test looks."""
    return Watchdog(ManualClock(), 1.0, "watchdog of a test")


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    """One whose thread runs, and has all the time in the world for each exchange."""
    watchdog = Watchdog(SystemClock(), 3600.0, "watchdog of a test")
    watchdog.start()
    yield watchdog
    watchdog.stop()


def test_an_exchange_that_does_not_move_is_cut_after_its_limit(still: Watchdog) -> None:
    line = Line()
    for _ in range(CHECKS):  # the first one only notes where it is
        still.check([line])
    assert line.cut_for == ""
    still.check([line])
    assert "not answered for 8.0 s" in line.cut_for


def test_an_exchange_that_moves_now_and_then_is_left_alone(still: Watchdog) -> None:
    line = Line()
    for look in range(10 * CHECKS):
        if look % (CHECKS - 1) == 0:
            line.progress += 1
        still.check([line])
    assert line.cut_for == ""


def test_a_connection_that_nobody_waits_for_is_left_alone(still: Watchdog) -> None:
    line = Line()
    line.waiting = False
    for _ in range(10 * CHECKS):
        still.check([line])
    line.waiting = True
    still.check([line])
    assert (line.cut_for, line.silent) == ("", 1)


def test_the_limit_of_a_call_ends_its_own_exchanges_and_no_other(watchdog: Watchdog) -> None:
    mine, other = Line(threading.get_ident()), Line(-1)
    watchdog.connect(lambda: mine, PATIENCE)
    watchdog.connect(lambda: other, PATIENCE)
    with watchdog.within(0.0):
        assert mine.wait()
        with watchdog.within(PATIENCE):  # an inner limit is never longer
            again = Line(threading.get_ident())
            with pytest.raises(ConnectionError):
                watchdog.connect(lambda: again, PATIENCE)
    assert other.cut_for == ""
    assert watchdog.connect(Line, PATIENCE).cut_for == ""


def test_at_the_end_of_everything_all_exchanges_end_and_none_begins(watchdog: Watchdog) -> None:
    lines = [watchdog.connect(Line, PATIENCE) for _ in range(3)]
    watchdog.end_within(PATIENCE)
    watchdog.end_within(0.0)
    watchdog.end_within(PATIENCE)  # never later again
    assert all(line.wait() for line in lines)
    with pytest.raises(ConnectionError):
        watchdog.connect(Line, PATIENCE)
    watchdog.start()
    assert watchdog.connect(Line, PATIENCE).cut_for == ""


def test_a_connection_that_comes_too_late_is_closed(watchdog: Watchdog) -> None:
    arrival, line = threading.Event(), Line()

    def connect() -> Line:
        assert arrival.wait(PATIENCE)
        return line

    with pytest.raises(ConnectionError):
        watchdog.connect(connect, 0.01)
    arrival.set()
    assert line.closed.wait(PATIENCE)


def test_an_error_of_connecting_is_the_callers(watchdog: Watchdog) -> None:
    def connect() -> Line:
        raise LookupError("no such host")

    with pytest.raises(LookupError, match="no such host"):
        watchdog.connect(connect, PATIENCE)
