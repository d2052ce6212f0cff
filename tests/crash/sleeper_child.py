"""A process of the tests of what sleeps: starts runs that fail once, and is killed as they sleep.

It says ``ready`` when all of them have left memory; with ``0`` runs it starts none, and says so.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from indelible import ActorSystem, step
from indelible.api.facade import access_to
from indelible.clock import SystemClock

DELAY = 3_600
"""Seconds until the second attempt."""

WAITS = {
    "name": "waits",
    "steps": [
        {
            "name": "s",
            "type": "flaky",
            "retry": {"attempts": 2, "delay": DELAY, "max_delay": DELAY, "jitter": 0},
        }
    ],
}


@step("flaky")
def flaky(context: Any, step: Any) -> int:
    """Fail at the first attempt."""
    if context.attempt == 1:
        raise ValueError("not yet")
    return int(context.attempt)


class Later(SystemClock):
    """The host's clock, as it will be some seconds later."""

    def __init__(self, seconds: int) -> None:
        self._ahead = seconds * 1_000_000

    def now(self) -> int:
        return super().now() + self._ahead


def main(url: str, later: int, runs: int) -> None:
    """Start ``runs``, ``later`` seconds from now, and wait until stdin ends."""
    with ActorSystem(url, steps=[flaky], drain=1, lease=1, clock=Later(later)) as system:
        if runs:
            names = [(f"r{number}", None) for number in range(runs)]
            system.workflow_agent("a").start_many(names, WAITS)
            directory = access_to(system).parts.directory
            while len(system.store.sleeping(limit=2 * runs).heads) < runs or len(directory):
                time.sleep(0.05)
        os.write(1, b"ready\n")
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
