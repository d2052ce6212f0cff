"""Steps a second: many runs together, the same runs one by one, one long run, one wide run."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from harness import compare, print_machine

from indelible import ActorSystem, step


@step("nothing")
def nothing(context: Any, step: Any) -> None:
    """Return at once."""


def chain(length: int, pattern: str = "sequential", **extra: Any) -> dict[str, Any]:
    """A workflow of ``length`` steps that do nothing."""
    steps = [{"name": f"s{n}", "type": "nothing"} for n in range(length)]
    return {"name": "bench", "pattern": pattern, "steps": steps, **extra}


def many_runs(folder: Path, runs: int = 1_000, length: int = 10) -> tuple[float, float]:
    """Measure runs that are started together."""
    with ActorSystem(f"sqlite:///{folder / 'b.db'}", steps=[nothing]) as system:
        agent = system.workflow_agent("bench")
        begun, cpu = time.perf_counter(), time.process_time()
        handles = agent.start_many([(f"r{n}", None) for n in range(runs)], chain(length))
        for handle in handles:
            assert handle.result(60)["steps_completed"] == length
        return _rates(begun, cpu, runs * length)


def serial_starts(folder: Path) -> tuple[float, float]:
    """Measure runs that are started one after the other, each durable before the next."""
    runs, length = 200, 10
    with ActorSystem(f"sqlite:///{folder / 'b.db'}", steps=[nothing]) as system:
        agent = system.workflow_agent("bench")
        begun, cpu = time.perf_counter(), time.process_time()
        handles = [agent.start(chain(length), run_id=f"r{n}") for n in range(runs)]
        for handle in handles:
            assert handle.result(60)["status"] == "success"
        return _rates(begun, cpu, runs * length)


def one_run(folder: Path, length: int = 100) -> tuple[float, float]:
    """Measure one run of sequential steps."""
    with ActorSystem(f"sqlite:///{folder / 'b.db'}", steps=[nothing]) as system:
        agent = system.workflow_agent("bench")
        agent.execute_workflow(chain(2))
        plan = chain(length)
        begun, cpu = time.perf_counter(), time.process_time()
        assert agent.execute_workflow(plan, timeout=60)["steps_completed"] == length
        return _rates(begun, cpu, length)


def wide_run(folder: Path, width: int = 10_000) -> tuple[float, float]:
    """Measure one run whose steps are all parallel."""
    with ActorSystem(f"sqlite:///{folder / 'b.db'}", steps=[nothing]) as system:
        agent = system.workflow_agent("bench")
        plan = chain(width, "parallel")
        begun, cpu = time.perf_counter(), time.process_time()
        assert agent.execute_workflow(plan, timeout=60)["steps_completed"] == width
        return _rates(begun, cpu, width)


def _rates(begun: float, cpu: float, operations: int) -> tuple[float, float]:
    seconds, used = time.perf_counter() - begun, time.process_time() - cpu
    return operations / seconds, used / operations * 1e6


BENCHMARKS = {
    "many": ("1,000 runs x 10 steps, started together", many_runs),
    "serial": ("200 runs x 10 steps, started one by one", serial_starts),
    "one": ("1 run x 100 sequential steps", one_run),
    "wide": ("1 run, 10,000 parallel steps (compiling included)", wide_run),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", help=f"of {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("-n", type=int, default=5, help="how often each is measured")
    arguments = parser.parse_args()
    print_machine("steps a second (a step is one durable event), SQLite WAL, synchronous=FULL")
    for key in arguments.which or BENCHMARKS:
        name, measure = BENCHMARKS[key]
        compare(name, arguments.n, measure)
