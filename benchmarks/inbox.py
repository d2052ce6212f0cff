"""The inbox: from a command's submission in one process to its acceptance in another.

The owner runs in another process than the callers.  PostgreSQL is measured if its driver and a
server are available: ``INDELIBLE_TEST_POSTGRES_URL``, or a throw-away server on this machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import print_machine

from indelible import ActorSystem, step
from indelible.errors import IndelibleError

IDLE_SECONDS = 5.0
BATCH = 1_000
BATCHES = 9  # batches differ, because of the owner's views and garbage collection


@step("nothing")
def nothing(context: Any, step: Any) -> None:
    """Do nothing."""


DEFINITION = {"name": "bench", "steps": [{"name": "only", "type": "nothing"}]}


def own(url: str) -> None:
    """Own the store until stdin ends; print the CPU share of an idle period."""
    with ActorSystem(url, steps=[nothing]):
        print("ready", flush=True)
        for line in sys.stdin:
            cpu, wall = time.process_time(), time.perf_counter()
            time.sleep(float(line))
            print((time.process_time() - cpu) / (time.perf_counter() - wall), flush=True)


@contextmanager
def owner_of(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that owns the store, for the block."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--own", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.communicate("")


def measure(what: str, url: str, count: int) -> None:
    """Print latencies of single starts and of many at once, and the owner's cost when idle."""
    with owner_of(url) as owner, ActorSystem(url, mode="client") as client:
        agent = client.workflow_agent("bench")
        agent.start(DEFINITION)
        times = []
        for _ in range(count):
            begun = time.perf_counter()
            agent.start(DEFINITION)
            times.append((time.perf_counter() - begun) * 1_000)
        batches = []
        for _ in range(BATCHES):
            begun = time.perf_counter()
            agent.start_many([(None, None)] * BATCH, DEFINITION)
            batches.append(time.perf_counter() - begun)
        together = statistics.median(batches)
        time.sleep(2.0)  # until the owner polls less often
        assert owner.stdin is not None
        assert owner.stdout is not None
        owner.stdin.write(f"{IDLE_SECONDS}\n")
        owner.stdin.flush()
        idle = float(owner.stdout.readline())
    cuts = statistics.quantiles(times, n=100)
    print(
        f"{what}: n={count}, submitted to accepted p50 {cuts[49]:.1f} ms, p90 {cuts[89]:.1f} ms, "
        f"p99 {cuts[98]:.1f} ms; {BATCH:,} at once (n={BATCHES}) in {together:.2f} s "
        f"({BATCH / together:,.0f}/s); owner idle: {idle:.2%} of a core"
    )


def main(count: int) -> None:
    """Measure SQLite, and PostgreSQL if it is available."""
    print_machine("commands from one process to another, one after the other")
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", f"sqlite:///{Path(folder) / 'store.db'}", count)
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    try:
        from postgres_server import a_server
    except ImportError as error:
        print(f"PostgreSQL: not measured ({error})")
        return
    try:
        with a_server() as server:
            url = server.create_database()
            measure("PostgreSQL", url, count)
            server.drop_database(url)
    except (IndelibleError, OSError) as error:
        print(f"PostgreSQL: not measured ({error})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("--own", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.own:
        own(arguments.own)
    else:
        main(arguments.n)
