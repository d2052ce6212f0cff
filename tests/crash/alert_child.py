"""A process to be killed: actors that alert, as fast as they can, and a handler that writes a file.

What the parent reads on standard output is acknowledged: ``<actor> <version>`` after each reply.
"""

from __future__ import annotations

import os
import sys
from typing import Any, ClassVar

from deciders import Note, Noted
from indelible import ActorSystem, Alert, Alerted, Decision
from indelible.errors import IndelibleError
from indelible.failpoints import Failpoints, KillAt


class Alarm(Note):
    """Each message is one event, of which it alerts."""

    category: ClassVar[str] = "alarm"

    def decide(self, state: int, message: Any) -> Decision:
        return Decision([Noted()], state + 1, [Alert("info", f"alarm {state + 1}")])


def system_of(
    url: str, path: str, lease: float, failpoints: Failpoints | None = None
) -> ActorSystem:
    """A system whose alerts are lines of the file at ``path``; every tenth try fails."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    tries = 0

    def page(alerted: Alerted) -> None:
        nonlocal tries
        tries += 1
        if tries % 10 == 0:
            raise ConnectionError("the pager is off")
        os.write(file, f"{alerted.id}\n".encode())

    return ActorSystem(
        url, actors=[Alarm()], alerts=[page], failpoints=failpoints, lease=lease or None
    )


def main(url: str, failpoint: str, count: int, lease: float, path: str) -> None:
    """Alert for ever."""
    failpoints = Failpoints({failpoint: KillAt(count)} if failpoint else {})
    with system_of(url, path, lease, failpoints) as system:
        number = 0
        while True:
            number += 1
            name = f"a{number % 5}"
            try:
                version = system.actor(Alarm, name).ask("alert", timeout=20)
            except IndelibleError:
                continue  # the shard is on its way to another owner
            os.write(1, f"{name} {version}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
