"""Recovery after a crash: seconds from opening the store until all unfinished runs continue."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import print_machine

from indelible import ActorSystem

LENGTH = 5


def definition() -> dict[str, Any]:
    """A workflow whose third step waits until the store is opened again."""
    steps = [{"name": f"s{n}", "type": "gate" if n == 2 else "nothing"} for n in range(LENGTH)]
    return {"name": "bench", "steps": steps}


def leave_behind(store: str, runs: int) -> None:
    """Start runs, wait until all are at the gate, and end without closing."""
    system = ActorSystem(store, max_threads=1)

    @system.step("nothing")
    def nothing(context: Any, step: Any) -> None:
        pass

    @system.step("gate")
    async def gate(context: Any, step: Any) -> None:  # noqa: ARG001 - every step's signature
        import asyncio

        await asyncio.Event().wait()

    with system:
        agent = system.workflow_agent("bench")
        agent.start_many([(f"r{n}", None) for n in range(runs)], definition())
        while sum(head.version >= 3 for head in system.store.heads("run")) < runs:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)


def measure(runs: int) -> tuple[float, float]:
    """Seconds until every run has begun again, and until every run has ended."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder) / 'b.db'}"
        child = [sys.executable, __file__, "--child", store, "--runs", str(runs)]
        assert subprocess.run(child, check=False).returncode == -signal.SIGKILL
        begun_again: list[float] = []
        system = ActorSystem(store)

        @system.step("nothing")
        def nothing(context: Any, step: Any) -> None:
            pass

        @system.step("gate")
        def gate(context: Any, step: Any) -> None:  # noqa: ARG001 - every step's signature
            begun_again.append(time.perf_counter())

        begun = time.perf_counter()
        with system:
            for n in range(runs):
                assert system.run(f"r{n}").result(60)["status"] == "success"
            ended = time.perf_counter()
        assert len(begun_again) == runs
        return max(begun_again) - begun, ended - begun


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        leave_behind(arguments.child, arguments.runs)
    print_machine(f"{arguments.runs:,} unfinished runs after kill -9")
    measured = [measure(arguments.runs) for _ in range(arguments.n)]
    again, ended = zip(*measured, strict=True)
    print(
        f"n={arguments.n}, opened and every cut-off step running again: median "
        f"{statistics.median(again):.3f} s (max {max(again):.3f}); all ended: median "
        f"{statistics.median(ended):.3f} s"
    )
