"""A process to be killed: actors that start runs, as fast as they can.

What the parent reads on standard output is acknowledged: ``<trip> 1`` after each reply.
"""

from __future__ import annotations

import os
import sys
import threading

from indelible import ActorSystem, step
from indelible.errors import IndelibleError
from indelible.failpoints import Failpoints, KillAt
from journeys import BOOK, Heard, Trip


@step("pay")
def pay(context: object, to: str) -> str:
    return to.upper()


def system_of(url: str, lease: float, failpoints: Failpoints | None = None) -> ActorSystem:
    """A system that can do all that is asked of it here."""
    return ActorSystem(
        url,
        actors=[Trip()],
        steps=[pay],
        definitions={"book": BOOK},
        effects={Heard: lambda effect: None},
        failpoints=failpoints,
        lease=lease or None,
    )


def main(url: str, failpoint: str, count: int, lease: float) -> None:
    """Plan trips from several threads at once, for ever."""
    failpoints = Failpoints({failpoint: KillAt(count)} if failpoint else {})
    with system_of(url, lease, failpoints) as system:

        def plan(thread: int) -> None:
            number = 0
            while True:
                number += 1
                name = f"{os.getpid()}.{thread}.{number}"
                try:
                    system.actor(Trip, name).ask("rome", timeout=20)
                except IndelibleError:
                    continue  # the shard is on its way to another owner
                os.write(1, f"{name} 1\n".encode())

        threads = [threading.Thread(target=plan, args=(n,)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
