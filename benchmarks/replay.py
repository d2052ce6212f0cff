"""Replay: the rate of decoding the log to typed events, and the time to activate a long stream."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness import print_machine

from indelible import ActorSystem, Decider, Event
from indelible.api.facade import access_to
from indelible.events.model.event import EncodedEvent
from indelible.events.model.event_types import EventTypes, run_event_types
from indelible.events.model.run_events import StepCompleted
from indelible.events.opening import open_store
from indelible.events.snapshots import drop_snapshots, find_snapshot
from indelible.events.store import Append, EventStore
from indelible.ids import Ids

_PAGE = 1_000
_GROUP = 1_000


class Counted(Event, frozen=True, gc=False):
    """One thing was counted."""

    wire_name: ClassVar[str] = "counter.counted"

    by: int
    what: str


class Counter(Decider[dict[str, int]]):
    """Counts things of a hundred kinds."""

    category: ClassVar[str] = "counter"
    event_types: ClassVar[Sequence[type[Event]]] = (Counted,)

    def initial_state(self) -> dict[str, int]:
        """Nothing counted yet."""
        return {}

    def decide(self, state: dict[str, int], message: Any) -> list[Event]:  # noqa: ARG002 - port
        """Count."""
        return [Counted(*message)]

    def evolve(self, state: dict[str, int], event: Any) -> dict[str, int]:
        """Add the count."""
        state[event.what] = state.get(event.what, 0) + event.by
        return state

    def snapshot(self, state: dict[str, int]) -> dict[str, int]:
        """The counts."""
        return state

    def restore(self, value: Any) -> dict[str, int]:
        """The counts."""
        return value  # type: ignore[no-any-return] # the value of snapshot()


def fill(store: EventStore, streams: Sequence[tuple[str, Sequence[EncodedEvent]]]) -> None:
    """Append each stream's events, a thousand at a time."""
    errors: list[BaseException] = []
    left = threading.Semaphore(0)

    def done(_: Append, error: BaseException | None) -> None:
        if error is not None:
            errors.append(error)
        left.release()

    count = 0
    for stream, events in streams:
        for start in range(0, len(events), _GROUP):
            store.submit(Append(stream, start, events[start : start + _GROUP], done))
            count += 1
    store.wake()
    for _ in range(count):
        left.acquire()
    if errors:
        raise errors[0]


def replay_shard(store: EventStore, types: EventTypes) -> int:
    """Read and decode the whole log, as a view that catches up does."""
    decode, after, count = types.decode, 0, 0
    while page := store.read_shard(0, after, _PAGE):
        for event in page:
            decode(event)
        after, count = page[-1].position, count + len(page)
    return count


def replay_streams(store: EventStore, types: EventTypes, streams: Sequence[str]) -> int:
    """Read and decode stream by stream, as actors do when they recover."""
    decode, count = types.decode, 0
    for stream in streams:
        for event in store.read(stream):
            decode(event)
            count += 1
    return count


def measure_replay(events: int, length: int, repeat: int) -> None:
    """Events of finished steps, in streams of ``length``."""
    types, ids = run_event_types(), Ids(_clock())
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'replay.db'}", mode="own")
        store.open()
        streams = []
        for number in range(events // length):
            encoded = [types.encode(_completed(step), ids.uuid7()) for step in range(length)]
            streams.append((f"run-{number}", encoded))
        fill(store, streams)
        names = [name for name, _ in streams]
        report("typed events of the log in order", repeat, lambda: replay_shard(store, types))
        what = f"typed events stream by stream ({length} each)"
        report(what, repeat, lambda: replay_streams(store, types, names))
        store.close()


def measure_waking(events: int, repeat: int) -> None:
    """Activate an actor with ``events`` in its stream, without and with a snapshot."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'wake.db'}"
        types, ids = EventTypes([Counted]), Ids(_clock())
        store = open_store(url, mode="own")
        store.open()
        made = [types.encode(Counted(1, f"thing {n % 100}"), ids.uuid7()) for n in range(events)]
        fill(store, [("counter-long", made)])
        del made
        store.close()
        first = wake(url)
        again = [wake(url) for _ in range(repeat)]
        loads = load_snapshot(url)
    print(
        f"a stream of {events:,} events: first answer {first:,.1f} ms without a snapshot; with one "
        f"n={repeat}, median {statistics.median(again):.1f} ms (max {max(again):.1f}); "
        f"snapshot load median {loads:.3f} ms"
    )


def wake(url: str) -> float:
    """Milliseconds from the first message to its reply."""
    with ActorSystem(url, actors=[Counter()]) as system:
        actor = system.actor("counter", "long")
        begun = time.perf_counter()
        actor.ask([1, "thing 0"], timeout=600)
        return (time.perf_counter() - begun) * 1_000


def measure_run(steps: int, repeat: int) -> None:
    """Read a run of ``steps`` parallel steps, without and with a snapshot, as a reader."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'run.db'}"
        with ActorSystem(url) as system:
            system.register_step("nothing", lambda context, step: None)  # noqa: ARG005 - the port
            wide = [{"name": f"s{n}", "type": "nothing"} for n in range(steps)]
            definition = {"name": "wide", "pattern": "parallel", "steps": wide}
            system.workflow_agent("a").start(definition, run_id="wide").result(600)
        with_snapshot = [read_run(url) for _ in range(repeat)]
        with ActorSystem(url) as system:
            dropped = drop_snapshots(system.store)
        without = [read_run(url) for _ in range(repeat)]
    print(
        f"a run of {steps:,} parallel steps: its state n={repeat}, median "
        f"{statistics.median(without):.1f} ms from all events, "
        f"{statistics.median(with_snapshot):.1f} ms from the newest of {dropped} snapshots"
    )


def read_run(url: str) -> float:
    """Milliseconds to read the state of the run, whose definition is compiled already."""
    with ActorSystem(url, mode="read") as system:
        access_to(system).reader.state("wide", until=1)
        begun = time.perf_counter()
        access_to(system).reader.state("wide")
        return (time.perf_counter() - begun) * 1_000


def load_snapshot(url: str) -> float:
    """Milliseconds to read and check the stream's newest snapshot."""
    store = open_store(url, mode="read")
    store.open()
    times = []
    for _ in range(200):
        begun = time.perf_counter()
        assert find_snapshot(store, "counter-long", "1") is not None
        times.append((time.perf_counter() - begun) * 1_000)
    store.close()
    return statistics.median(times)


def report(what: str, repeat: int, replay: Callable[[], int]) -> None:
    """Print the median of events a second."""
    rates = []
    for _ in range(repeat):
        begun = time.perf_counter()
        count = replay()
        rates.append(count / (time.perf_counter() - begun))
    print(
        f"{what}: n={repeat}, median {statistics.median(rates):,.0f}/s "
        f"(min {min(rates):,.0f}, max {max(rates):,.0f})"
    )


def _clock() -> Any:
    from indelible.clock import SystemClock

    return SystemClock()


def _completed(step: int) -> StepCompleted:
    return StepCompleted(
        path=f"step{step}",
        attempt=1,
        at=1_700_000_000_000_000 + step,
        duration=1_200,
        result=b"\x81\xa4rows\x19",
        size=7,
        cpu=900,
        starts=((f"step{step + 1}", 1),),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--stream", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("-n", type=int, default=5)
    arguments = parser.parse_args()
    print_machine("replay")
    measure_replay(arguments.events, arguments.length, arguments.n)
    measure_waking(arguments.stream, arguments.n)
    measure_run(arguments.steps, arguments.n)
