"""Live pooled actors: memory and threads of 100,000, and the rate of messages."""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from harness import print_machine

from indelible.actors import PooledActor
from indelible.actors.runtime.pool.dispatcher import PoolDispatcher


class Idle(PooledActor):
    """Counts its messages."""

    registered = False

    def __init__(self) -> None:
        """Begin at 0."""
        super().__init__()
        self.count = 0

    def on_receive(self, message: Any) -> int:  # noqa: ARG002 - pykka's signature
        """Count the message."""
        self.count += 1
        return self.count


def memory() -> int:
    """Resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4_096


def main(actors: int, repeat: int) -> None:
    print_machine(f"{actors:,} live pooled actors")
    Idle.dispatcher = PoolDispatcher("bench", daemon=True)
    before = memory()
    begun = time.perf_counter()
    references = [Idle.start() for _ in range(actors)]
    for reference in references:
        reference.tell("once")
    assert Idle.dispatcher.drain(60)
    seconds = time.perf_counter() - begun
    grown = (memory() - before) / 2**20
    print(
        f"started and told once in {seconds:.2f} s; {grown:,.0f} MiB more, "
        f"{grown * 2**20 / actors:,.0f} bytes each, {threading.active_count()} threads"
    )
    rates = []
    for _ in range(repeat):
        begun = time.perf_counter()
        for reference in references:
            reference.tell("again")
        assert Idle.dispatcher.drain(60)
        rates.append(actors / (time.perf_counter() - begun))
    print(f"tells: n={repeat}, median {statistics.median(rates):,.0f}/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actors", type=int, default=100_000)
    parser.add_argument("-n", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.actors, arguments.n)
