"""Views: events a second of each view while it catches up, and the lag behind live events."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from harness import print_machine

from indelible.clock import SystemClock
from indelible.events.model.event import Event, RecordedEvent
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import RunAccepted, RunCompleted, StepCompleted
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.ids import Ids
from indelible.projections.engine import view_cursors
from indelible.projections.engine.runner import ProjectionRunner
from indelible.projections.engine.view_engine import Engine
from indelible.projections.views.default_views import default_projections

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from postgres_server import a_server

STEPS = 10
TYPES = run_event_types()
AGENTS = 20


def history(run: int) -> list[Event]:
    """The events of a whole run."""
    now = time.time_ns() // 1_000
    starts = (("s", 1),)
    accepted = RunAccepted(
        f"{run}", f"agent {run % AGENTS}", "w", b"d" * 200, b"i" * 50, STEPS, now, starts, 1
    )
    steps = [
        StepCompleted(f"s{n}", 1, now, 120, result=b"r" * 40, cpu=90, starts=starts)
        for n in range(STEPS)
    ]
    return [accepted, *steps, RunCompleted(now, "success", STEPS, 0, 0, 2_500, 900, "agent")]


def fill(store: EventStore, runs: int) -> int:
    """Write whole runs with interleaved events, and return the number of events."""
    ids, written, together = Ids(), 0, 50
    for first in range(0, runs, together):
        histories = {n: history(n) for n in range(first, min(first + together, runs))}
        for begin in range(0, STEPS + 2, 4):
            for run, events in histories.items():
                part = [TYPES.encode(event, ids.uuid7()) for event in events[begin : begin + 4]]
                store.append(f"run-{run}", part, expected=begin)
                written += len(part)
    return written


def catch_up(store: EventStore, name: str) -> float:
    """Events a second from an empty view to the end of the log, read from the rows."""
    views = [view for view in default_projections() if view.name == name]
    engine = Engine(store, TYPES, views, SystemClock(), Failpoints())
    engine.open()
    end = sum(store.positions().values())
    begun = time.perf_counter()
    while engine.step():
        pass
    assert engine.covers(store.positions())
    return end / (time.perf_counter() - begun)


def live_lags(store: EventStore, rate: int, seconds: float) -> list[float]:
    """Milliseconds from an event's commit until all views show it, at ``rate`` events a second."""
    runner = ProjectionRunner(store, TYPES, default_projections(), SystemClock(), Failpoints())
    committed: dict[tuple[int, int], float] = {}

    def note(group: Sequence[RecordedEvent]) -> None:
        committed[group[-1].shard, group[-1].position] = time.perf_counter()

    store.subscribe(note)
    runner.start()
    if not runner.caught_up(store.positions(), 60):
        raise RuntimeError("the views never catch up")
    committed.clear()
    lags: list[float] = []
    over = threading.Event()

    def watch() -> None:
        left: list[tuple[int, int]] = []
        while not (over.is_set() and not committed):
            time.sleep(0.000_5)
            left = sorted(committed)
            now = time.perf_counter()
            for shard, position in left:
                if runner.covers({shard: position}):
                    lags.append(1_000 * (now - committed.pop((shard, position))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    ids, begun, sent, run = Ids(), time.perf_counter(), 0, 10**6
    while sent < rate * seconds:
        for version, event in enumerate(history(run)):
            store.append(f"run-{run}", [TYPES.encode(event, ids.uuid7())], expected=version)
            sent += 1
            time.sleep(max(0.0, begun + sent / rate - time.perf_counter()))
        run += 1
    over.set()
    watcher.join()
    runner.stop()
    return lags


@contextmanager
def an_address(*, postgres: bool) -> Iterator[str]:
    """The address of an empty database, which is removed at the end."""
    if postgres:
        with a_server() as server:
            url = server.create_database()
            yield url
            server.drop_database(url)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder) / 'views.db'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="of 12 events each")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of live events")
    parser.add_argument("--rate", type=int, default=1_000, help="live events a second")
    parser.add_argument("--postgres", action="store_true", help="instead of SQLite")
    given = parser.parse_args()
    database = "PostgreSQL" if given.postgres else "SQLite"
    print_machine(f"views on {database}: catching up, and lag")
    with an_address(postgres=given.postgres) as url, closing(open_store(url)) as store:
        events = fill(store, given.runs)
        for view in default_projections():
            rates = []
            for _ in range(given.repeat):
                rates.append(catch_up(store, view.name))
                forget(store, view.name)
            print(
                f"{view.name} catches up with {events:,} events: n={given.repeat}, median "
                f"{statistics.median(rates):,.0f} events/s (min {min(rates):,.0f})"
            )
        lags = live_lags(store, given.rate, given.seconds)
    lags.sort()
    p50, p99 = (lags[int(share * (len(lags) - 1))] for share in (0.5, 0.99))
    print(
        f"live lag at {given.rate:,} events/s: n={len(lags):,}, p50 {p50:.1f} ms, p99 {p99:.1f} ms,"
        f" max {lags[-1]:.1f} ms"
    )


def forget(store: EventStore, name: str) -> None:
    """Empty a view."""
    with store.write_views() as connection:
        view_cursors.forget(connection, name)
        for view in default_projections():
            if view.name == name:
                for table in view.tables:
                    connection.execute(table.delete())


if __name__ == "__main__":
    main()
