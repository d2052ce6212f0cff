"""A process of the timer tests: owns the store at URL, sets alarms without end, and is killed.

``<actor> <key>`` on standard output acknowledges an alarm.  With ``0`` alarms it sets none, says
``ready``, and goes on until its stdin ends.
"""

from __future__ import annotations

import os
import sys

from alarms import Alarm
from indelible import ActorSystem

ACTORS = 4


def main(url: str, first: int, most: int) -> None:
    """Set alarms ``first`` to ``most``, each due within 0.3 s; every fifth is cancelled again."""
    with ActorSystem(url, actors=[Alarm()], drain=1, lease=30) as system:
        if not most:
            os.write(1, b"ready\n")
            sys.stdin.read()
            return
        for number in range(first, most):
            alarm, key = system.actor(Alarm, f"a{number % ACTORS}"), f"k{number}"
            later = number % 5 == 0
            due = system.clock.now() + (60_000_000 if later else number * 7919 % 300_000)
            alarm.ask(["set", key, due])
            if later:
                alarm.ask(["off", key])
            else:
                os.write(1, f"{number}\n".encode())
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
