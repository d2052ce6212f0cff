"""Waiting runs: memory and opening time with many, and the delay when many are due at once.

``--sleeping 1000000`` makes as many rows; ``--due 100000 --within 60`` has as many due in a minute.
Each figure is measured in a new process.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import print_machine

from indelible import ActorSystem
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.events.codec.values import encode_value
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import RunAccepted, StepFailed, StepsStarted
from indelible.events.opening import open_store
from indelible.events.store import Append
from indelible.ids import Ids

DEFINITION: dict[str, Any] = {
    "name": "bench",
    "steps": [{"name": "s", "type": "again", "retry": {"attempts": 3, "delay": 60}}],
}
HOUR = 3_600_000_000
BATCH = 5_000
SECOND = 1_000_000
QUIET = 10.0  # seconds after opening until runs are due


def prepare(url: str, runs: int, due: Callable[[int], int]) -> None:
    """Append the events of ``runs`` whose only step has failed once; the views catch up."""
    plan, given, types = compile_definition(DEFINITION, None), encode_value({}), run_event_types()
    store = open_store(url)
    ids = Ids()
    now = time.time_ns() // 1_000
    failures: list[BaseException] = []

    def done(_append: Append, error: BaseException | None) -> None:
        if error is not None:
            failures.append(error)

    for first in range(0, runs, BATCH):
        for n in range(first, min(first + BATCH, runs)):
            path, retry_at = plan.nodes[plan.by_name["s"]].path, due(n)
            events = (
                RunAccepted(f"r{n}", "a", "bench", plan.encoded, given, 1, now, ((path, 1),), 1),
                StepFailed(path, 1, now, 10, "ValueError", "no", final=False, retry_at=retry_at),
            )
            encoded = [types.encode(event, ids.uuid7()) for event in events]
            append = Append(
                f"run-r{n}", 0, encoded, done, status="running", wake_at=max(1, retry_at)
            )
            store.submit(append)
        while store.lead():
            pass
    store.close()
    if failures:
        raise failures[0]
    with ActorSystem(url) as system:
        assert system.caught_up(timeout=600)


def memory() -> float:
    """Resident MiB of this process."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024


def child(url: str, due: int) -> None:
    """Open the store and print figures; with ``due`` runs also how late their steps began."""
    late: list[float] = []
    system = ActorSystem(url, drain=0.1)

    @system.step("again")
    async def again(context: Any, step: Any) -> None:  # noqa: ARG001 - every step's signature
        late.append(time.time())

    begun = time.perf_counter()
    with system:
        opened = time.perf_counter() - begun
        assert system.caught_up(timeout=600)
        time.sleep(3)  # for the comparison of rows, which runs beside the work
        found: dict[str, Any] = {"opened": opened, "memory": memory()}
        found["actors"] = system.health()["actors"]
        if due:
            end = time.monotonic() + 180
            while len(late) < due and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(1)
            fired = [
                event
                for batch in system.events(types=["run.steps_started"], live=False)
                for event in batch
            ]
            found["began"] = len(late)
            found["at"] = {
                each.recorded.stream: [each.event.at, each.recorded.recorded_at]
                for each in fired
                if isinstance(each.event, StepsStarted)
            }
    print(json.dumps(found))


def measured(url: str, due: int = 0) -> dict[str, Any]:
    """The figures that a new process prints."""
    command = [sys.executable, __file__, "--child", url, "--due", str(due)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def share(values: list[float], part: float) -> float:
    """The quantile ``part`` of ``values``."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def sleeping(folder: Path, runs: int) -> None:
    """Memory and opening time with ``runs`` that wait for an hour, compared with an empty store."""
    empty, full = f"sqlite:///{folder}/empty.db", f"sqlite:///{folder}/full.db"
    with ActorSystem(empty):
        pass
    far = time.time_ns() // 1_000 + 24 * HOUR
    prepare(full, runs, lambda n: far + n)
    before, after = measured(empty), measured(full)
    print(
        f"{runs:,} waiting runs: opened in {after['opened']:.3f} s (empty {before['opened']:.3f}), "
        f"{after['memory'] - before['memory']:.1f} MiB over an empty system's "
        f"{before['memory']:.1f}, {after['actors']} actors in memory"
    )


def firing(folder: Path, runs: int, seconds: float) -> None:
    """How late ``runs`` continue that are due within that many ``seconds``."""
    url = f"sqlite:///{folder}/due.db"
    first = time.time_ns() // 1_000 + round(QUIET * SECOND) + runs * 300
    apart = seconds * SECOND / runs
    prepare(url, runs, lambda n: first + int(n * apart))
    if time.time_ns() // 1_000 > first - 5 * SECOND:
        print("too late: this machine is slower than was thought; fewer runs, please")
        return
    found = measured(url, runs)
    at = {int(stream.removeprefix("run-r")): instants for stream, instants in found["at"].items()}
    late = [
        [(instants[which] - first - int(n * apart)) / 1_000 for n, instants in at.items()]
        for which in (0, 1)
    ]
    fired, recorded = (
        f"p50 {share(one, 0.5):.1f} ms, p99 {share(one, 0.99):.1f} ms" for one in late
    )
    print(
        f"{runs:,} due in {seconds:g} s: {len(at):,} fired, late by {fired}; recorded as started "
        f"late by {recorded}; {found['began']:,} began"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sleeping", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--within", type=float, default=1, help="seconds in which these are due")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.due)
        sys.exit()
    print_machine("runs that wait")
    with tempfile.TemporaryDirectory() as place:
        sleeping(Path(place), arguments.sleeping)
    with tempfile.TemporaryDirectory() as place:
        firing(Path(place), arguments.due, arguments.within)
