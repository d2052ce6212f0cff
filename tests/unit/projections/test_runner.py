"""The runner's thread: it follows, waits politely, is waited for, and ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from indelible.clock import ManualClock, SystemClock
from indelible.errors import StoreReadOnlyError, SystemClosedError, UnknownProjectionError
from indelible.failpoints import Failpoints
from indelible.projections.engine import view_pacing
from indelible.projections.engine.event_feed import KEPT, EventFeed
from indelible.projections.engine.runner import ProjectionRunner
from indelible.projections.engine.view_pacing import ViewPacing
from indelible.projections.views.default_views import default_projections
from indelible.projections.views.metrics import Metrics

LONG = 30.0  # seconds; nothing waits that long unless it hangs


@pytest.fixture
def runner(log: Any) -> Iterator[Callable[..., ProjectionRunner]]:
    """Starts runners on the log and stops them."""
    made: list[ProjectionRunner] = []

    def start(**actions: Any) -> ProjectionRunner:
        failpoints = Failpoints({name.replace("_", "."): act for name, act in actions.items()})
        one = ProjectionRunner(
            log.store, log.types, default_projections(), SystemClock(), failpoints
        )
        made.append(one)
        one.start()
        return one

    yield start
    for one in made:
        one.stop(timeout=LONG)


def test_a_caller_reads_its_own_writes(log: Any, runner: Any) -> None:
    following = runner()
    for number in range(20):
        log.run(str(number))
        assert following.caught_up(log.store.positions(), LONG)
        assert log.views.run(str(number)).state == "completed"


def test_what_was_committed_before_the_start_is_applied_too(log: Any, runner: Any) -> None:
    log.run("1")
    assert runner().caught_up(log.store.positions(), LONG)
    assert log.views.summary().completed == 1


def test_events_that_nobody_announced_are_found_by_who_waits_for_them(
    log: Any, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log.store, "subscribe", lambda _: lambda: None)
    following = runner()
    log.run("1")
    assert following.caught_up(log.store.positions(), LONG)


def test_waiting_for_what_does_not_come_ends_with_the_timeout(log: Any, runner: Any) -> None:
    log.run("1")
    reached, held = threading.Event(), threading.Event()

    def before() -> None:
        reached.set()
        held.wait(LONG)

    following = runner(view_before=before)
    assert reached.wait(LONG)  # until it has the views, it covers all that it moves
    assert not following.caught_up(log.store.positions(), 0.01)
    assert not following.covers(log.store.positions())
    held.set()
    assert following.caught_up(log.store.positions(), LONG)


class ToldOfTheStop(SystemClock):
    """Knows when another thread than the views' asks for the time: that is ``stop``."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def monotonic(self) -> int:
        if threading.current_thread().name != "indelible-views":
            self.asked.set()
        return super().monotonic()


def test_stopping_applies_what_is_committed_and_ends_the_thread(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, reached = ToldOfTheStop(), threading.Event()
    fold = Metrics.fold

    def held(self: Metrics, events: Any) -> Any:
        reached.set()
        clock.asked.wait(LONG)
        return fold(self, events)

    monkeypatch.setattr(Metrics, "fold", held)
    following = ProjectionRunner(log.store, log.types, default_projections(), clock, Failpoints())
    following.start()
    log.run("1")
    assert reached.wait(LONG)
    for number in range(2, 50):
        log.run(str(number))  # the views hold no turn while they compute
    following.stop(LONG)
    assert log.views.summary().completed == 49
    assert "indelible-views" not in {thread.name for thread in threading.enumerate()}
    following.stop(LONG)


def test_a_stopped_runner_does_not_start_again(log: Any, runner: Any) -> None:
    following = runner()
    following.stop(LONG)
    with pytest.raises(SystemClosedError):
        following.start()


def test_a_failing_view_does_not_keep_the_runner_from_stopping(log: Any, runner: Any) -> None:
    def fails() -> None:
        raise OSError("pulled the plug")

    following = runner(view_before=fails)
    log.run("1")
    following.stop(LONG)
    assert not following.caught_up(log.store.positions(), LONG)


def test_views_go_on_by_themselves_when_the_database_is_back(log: Any, runner: Any) -> None:
    left = [True] * 3

    def fails() -> None:
        if left:
            left.pop()
            raise OSError("pulled the plug")

    following = runner(view_before=fails)
    log.run("1")
    assert following.caught_up(log.store.positions(), LONG)
    assert not left


def test_views_that_cannot_be_read_at_the_start_are_read_later(
    log: Any, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_views, left = log.store.read_views, [True] * 2

    def away() -> Any:
        if left:
            left.pop()
            raise OSError("not yet")
        return read_views()

    monkeypatch.setattr(log.store, "read_views", away)
    log.run("1")
    assert runner().caught_up(log.store.positions(), LONG)


def test_a_rebuild_while_live_tells_its_progress_and_equals_the_live_view(
    log: Any, runner: Any
) -> None:
    for number in range(100):
        log.run(str(number))
    following = runner()
    assert following.caught_up(log.store.positions(), LONG)
    writing = threading.Thread(target=lambda: [log.run(f"late {n}") for n in range(50)])
    writing.start()
    told: list[tuple[int, int]] = []
    done = following.rebuild("workflow_status", lambda *now: told.append(now))
    writing.join()
    assert following.caught_up(log.store.positions(), LONG)
    assert done >= 400
    assert told[-1][0] == done
    assert [now for now, _ in told] == sorted(now for now, _ in told)
    assert log.views.summary().completed == 150
    live = log.rows()
    following.rebuild("workflow_status")
    following.rebuild("metrics")
    assert log.rows() == live


def test_two_callers_share_one_rebuild(log: Any, runner: Any) -> None:
    log.run("1")
    following = runner()
    done: list[int] = []
    callers = [
        threading.Thread(target=lambda: done.append(following.rebuild("metrics"))) for _ in "ab"
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(LONG)
    assert done == [4, 4]


def test_a_rebuild_that_is_cut_by_the_stop_says_that_the_old_view_stays(
    log: Any, runner: Any
) -> None:
    log.run("1")
    reached, go_on = threading.Event(), threading.Event()
    hits = []

    def before() -> None:
        hits.append(True)
        if len(hits) == 2:  # the first batch of the rebuild
            reached.set()
            go_on.wait(LONG)
            raise OSError("pulled the plug")

    following = runner(view_before=before)
    assert following.caught_up(log.store.positions(), LONG)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            following.rebuild("metrics")
        except SystemClosedError as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert reached.wait(LONG)
    stopping = threading.Thread(target=lambda: following.stop(0))
    stopping.start()
    go_on.set()
    stopping.join(LONG)
    asking.join(LONG)
    assert "the old view stays" in str(errors[0])
    assert log.views.metrics("etl")[0].requests == 1


def test_a_rebuild_needs_a_view_that_exists_and_a_runner_that_runs(log: Any, runner: Any) -> None:
    following = runner()
    with pytest.raises(UnknownProjectionError):
        following.rebuild("nothing")
    following.stop(LONG)
    with pytest.raises(SystemClosedError):
        following.rebuild("metrics")


def test_a_store_opened_for_reading_has_no_runner(log: Any, runner: Any) -> None:
    class Reading:
        state = "reading"
        url = "sqlite:///x.db"

    reading: Any = Reading()
    one = ProjectionRunner(reading, log.types, (), SystemClock(), Failpoints())
    with pytest.raises(StoreReadOnlyError):
        one.start()


class Flooded(ProjectionRunner):
    """Whenever it folds a batch of 400 events or waits, 200 more are committed."""

    def __init__(self, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(log.store, log.types, default_projections(), ManualClock(), Failpoints())
        self.log, self.runs = log, 0
        self._engine._limit = 400
        fold = Metrics.fold

        def flooded(metrics: Metrics, events: Any) -> Any:
            self.flood()
            return fold(metrics, events)

        monkeypatch.setattr(Metrics, "fold", flooded)
        monkeypatch.setattr(self._pacing, "_wait_for", self.flooded_wait)

    def flood(self) -> None:
        for _ in range(50):
            self.runs += 1
            self.log.run(str(self.runs))

    def flooded_wait(self, pending: int, timeout: float) -> None:
        self._wake.release()
        self.flood()
        self._wake.acquire()

    def backlog_after_a_turn(self) -> int:
        self._step()
        return self._engine.backlog() + self._engine.feed.pending


def test_views_leave_a_flood_the_host_but_fall_behind_no_further_than_its_limit(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_pacing, "_FLOOD_BATCH", 1_000)
    following = Flooded(log, monkeypatch)
    log.store.subscribe(following._engine.feed.push)
    following._open()
    following.flood()
    backlogs = [following.backlog_after_a_turn() for _ in range(10)]
    assert max(backlogs) >= 1_000
    assert max(backlogs) <= 1_400


def test_a_held_runner_applies_no_event_before_it_is_released(log: Any) -> None:
    log.run("1")
    following = ProjectionRunner(
        log.store, log.types, default_projections(), SystemClock(), Failpoints()
    )
    following.start(held=True)
    try:
        assert not following.caught_up(log.store.positions(), 0.2)
        assert log.views.summary().completed == 0
        following.release(burst=False)
        assert following.caught_up(log.store.positions(), LONG)
        assert log.views.summary().completed == 1
    finally:
        following.stop(LONG)


@pytest.mark.parametrize("hurried", ["no", "callers", "stopping"])
def test_views_let_the_burst_of_resumed_work_pass_unless_there_is_hurry(
    log: Any, hurried: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = EventFeed(log.store, KEPT)
    log.store.subscribe(feed.push)
    wake = threading.Condition(feed.lock)
    pacing = ViewPacing(feed, lambda: 0, wake, ManualClock())
    arriving = [0, 50, 60, 1]  # runs that are written in each wait, last first

    def wait(_pending: int, _timeout: float) -> None:
        wake.release()
        for number in range(arriving.pop()):
            log.run(f"{len(arriving)}-{number}")
        wake.acquire()

    monkeypatch.setattr(pacing, "_wait_for", wait)
    pacing.callers, pacing.stopping = int(hurried == "callers"), hurried == "stopping"
    with wake:
        pacing.wait_out_burst()
    assert len(arriving) == (0 if hurried == "no" else 4)


def test_many_writers_and_one_runner_end_with_every_run_in_the_views(log: Any, runner: Any) -> None:
    following = runner()
    lock = threading.Lock()

    def write(first: int) -> None:
        for number in range(first, first + 20):
            with lock:  # the log's helper is not for threads
                log.run(str(number))

    writers = [threading.Thread(target=write, args=(20 * n,)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(LONG)
    assert following.caught_up(log.store.positions(), LONG)
    assert log.views.summary().completed == 60
    assert log.views.metrics("etl")[0].steps_completed == 120
