"""PostgreSQL: steps a second in one process and in two, and the duration of a take-over.

Against ``INDELIBLE_TEST_POSTGRES_URL``, or a throw-away server on this machine.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from harness import print_machine
from runs import chain, nothing

from indelible import ActorSystem, step
from indelible.events.postgres.store import PostgresEventStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from postgres_server import PostgresServer, a_server, connect

T = TypeVar("T")

RAW_EVENTS = 2_000
LEASE = 10.0

_RAW_TABLE = """
CREATE TABLE raw (
    shard int NOT NULL, position bigint NOT NULL, stream bigint NOT NULL, version bigint NOT NULL,
    event_id bytea NOT NULL, epoch bigint NOT NULL, type text NOT NULL, schema int NOT NULL,
    payload bytea NOT NULL, metadata bytea NOT NULL, recorded_at bigint NOT NULL,
    chain bytea NOT NULL, PRIMARY KEY (shard, position), UNIQUE (stream, version)
)
"""


@step("gate")
async def gate(context: Any, step: Any) -> None:  # noqa: ARG001 - every step's signature
    """Never return, so that the run stays unfinished."""
    import asyncio

    await asyncio.Event().wait()


def raw(url: str) -> float:
    """Rows with an event's columns a second, one commit each, with psycopg alone."""
    with connect(url) as connection:
        connection.execute(_RAW_TABLE)
        insert = f"INSERT INTO raw VALUES ({','.join(['%s'] * 12)})"
        payload, metadata, chain_ = b"p" * 90, b"m" * 50, b"c" * 32
        begun = time.perf_counter()
        for n in range(1, RAW_EVENTS + 1):
            row = (0, n, n % 1_000, n, os.urandom(16), 1, "run.step_completed", 1, payload)
            connection.execute(
                insert.encode(), (*row, metadata, time.time_ns() // 1_000, chain_), prepare=True
            )
        return RAW_EVENTS / (time.perf_counter() - begun)


def run_many(
    url: str,
    ready: Callable[[], object] = lambda: None,
    done: Callable[[], object] = lambda: None,
    runs: int = 1_000,
) -> float:
    """Seconds from the start of ``runs`` runs of ten steps to the last result."""
    with ActorSystem(PostgresEventStore(url, lease=LEASE), steps=[nothing]) as system:
        agent = system.workflow_agent("bench")
        agent.execute_workflow(chain(2), timeout=60)
        ready()
        begun = time.perf_counter()
        handles = agent.start_many([(None, None)] * runs, chain(10))
        for handle in handles:
            assert handle.result(60)["steps_completed"] == 10
        seconds = time.perf_counter() - begun
        done()
    return seconds


def two_processes(url: str) -> float:
    """Steps a second of two processes together, each with a thousand runs, to the last result."""
    words = [sys.executable, __file__, "--child", "many", url]
    children = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    time.sleep(LEASE)  # until both own their share
    begun = time.perf_counter()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    seconds = 0.0
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "done\n"
        seconds = time.perf_counter() - begun
    for child in children:
        child.communicate()
    return 2 * 10_000 / seconds


class TakeOver(NamedTuple):
    """Seconds from the death of a process until another has taken its place."""

    lease: float
    """Seconds until the other process owned the last of its shards: no work can begin before."""
    whole: float
    """Seconds until the last of its unfinished steps ran again."""


def take_over(url: str, runs: int = 1_000) -> TakeOver:
    """Kill a process with ``runs`` unfinished runs; time until another runs their steps again."""
    words = [sys.executable, __file__, "--child", "die", url, "--runs", str(runs)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    died = time.perf_counter()
    begun_again: list[float] = []

    @step("gate")
    def passed(context: Any, step: Any) -> None:  # noqa: ARG001 - every step's signature
        begun_again.append(time.perf_counter())

    store = PostgresEventStore(url, lease=LEASE)
    gained: list[float] = []
    store.on_ownership(lambda _gained, _lost: gained.append(time.perf_counter()))
    with ActorSystem(store, steps=[nothing, passed]) as system:
        while len(begun_again) < runs:
            time.sleep(0.01)
        assert system.store.owned() == frozenset(range(system.store.shards))
    return TakeOver(gained[-1] - died, max(begun_again) - died)


def child(what: str, url: str, runs: int) -> None:
    """Be one of several processes."""
    if what == "many":

        def ready() -> None:
            print("ready", flush=True)
            sys.stdin.readline()

        run_many(url, ready, lambda: print("done", flush=True))
        return
    system = ActorSystem(PostgresEventStore(url, lease=LEASE), steps=[nothing, gate])
    steps = [{"name": "s", "type": "nothing"}, {"name": "g", "type": "gate"}]
    with system:
        system.workflow_agent("bench").start_many(
            [(None, None)] * runs, {"name": "bench", "steps": steps}
        )
        while sum(head.version >= 2 for head in system.store.heads("run")) < runs:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)


def in_fresh_databases(server: PostgresServer, repeat: int, measure: Callable[[str], T]) -> list[T]:
    """Results of ``measure``, each on an empty database."""
    found = []
    for _ in range(repeat):
        url = server.create_database()
        found.append(measure(url))
        server.drop_database(url)
    return found


def main(repeat: int, only: str | None) -> None:
    """Measure and print all figures, or ``only`` one."""
    with a_server() as server:
        version = connect(server.url("postgres")).execute("SHOW server_version").fetchone()
        print_machine(f"steps a second on PostgreSQL {version[0] if version else ''}, same machine")
        if only in (None, "steps"):
            print_steps(server, repeat)
        if only in (None, "take-over"):
            print_take_over(server, repeat)


def print_steps(server: PostgresServer, repeat: int) -> None:
    """Steps a second, of one process and of two."""
    raws = in_fresh_databases(server, repeat, raw)
    ones = in_fresh_databases(server, repeat, lambda url: 10_000 / run_many(url))
    twos = in_fresh_databases(server, repeat, two_processes)
    one, two, bare = map(statistics.median, (ones, twos, raws))
    print(f"1,000 runs x 10 steps, one process: n={repeat}, median {one:,.0f}/s {_span(ones)}")
    print(f"  raw psycopg, one commit an event: {bare:,.0f}/s, ratio {one / bare:.2f}")
    print(
        f"two processes, 1,000 runs each: median {two:,.0f}/s {_span(twos)}, {two / one:.2f} x one"
    )


def print_take_over(server: PostgresServer, repeat: int) -> None:
    """How long the runs of a dead process wait, and the part of it that is the lease."""
    found = in_fresh_databases(server, repeat, take_over)
    wholes, leases = [one.whole for one in found], [one.lease for one in found]
    work = [one.whole - one.lease for one in found]
    print(
        f"take-over of 1,000 unfinished runs, lease {LEASE:g} s: n={repeat}, "
        f"median {statistics.median(wholes):.2f} s (min {min(wholes):.2f}, max {max(wholes):.2f})"
    )
    print(
        f"  until the last shard was free and taken: median {statistics.median(leases):.2f} s "
        f"(max {max(leases):.2f}); reading and resuming the runs: "
        f"median {statistics.median(work):.2f} s (max {max(work):.2f})"
    )


def _span(values: list[float]) -> str:
    return f"(min {min(values):,.0f}, max {max(values):,.0f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--only", choices=["steps", "take-over"])
    parser.add_argument("--child", nargs=2, metavar=("WHAT", "URL"), help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=1_000, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, url = arguments.child
        child(what, url, arguments.runs)
    else:
        main(arguments.n, arguments.only)
