"""A process of the context tests: owns the store at URL, and is killed at a failpoint if told so.

It says ``ready``, and goes on until its stdin ends.
"""

from __future__ import annotations

import sys
from typing import Any

from deciders import Note
from indelible import ActorSystem
from indelible.failpoints import Failpoints, KillAt


def main(url: str, failpoint: str, count: int) -> None:
    """Execute what others start, until stdin ends."""
    armed = {failpoint: KillAt(count)} if failpoint else {}
    system = ActorSystem(url, actors=[Note()], failpoints=Failpoints(armed), drain=1, lease=1)

    def act(context: Any, step: Any) -> None:
        system.actor(Note, context.idempotency_key).ask("hello")

    system.register_step("act", act)
    with system:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
