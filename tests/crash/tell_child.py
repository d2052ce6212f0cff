"""A process to be killed: senders that tell recipients of their events, as fast as they can.

What the parent reads on standard output is acknowledged: ``<sender> <version>`` after each reply.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, ClassVar

from indelible import ActorSystem, Decider, Decision, Event, Tell
from indelible.errors import IndelibleError
from indelible.failpoints import Failpoints, KillAt

SENDERS = tuple(f"s{number}" for number in range(8))
RECIPIENTS = tuple(f"r{number}" for number in range(5))
LETTERS = 3
"""Messages of one decision, to as many recipients."""


class Sent(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "sender.sent"


class Got(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "recipient.got"

    sender: str
    version: int
    place: int


class Sender(Decider[int]):
    """Each message is one event, of which it tells some recipients."""

    category: ClassVar[str] = "sender"
    event_types: ClassVar[Sequence[type[Event]]] = (Sent,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Decision:
        version = state + 1
        told = [
            Tell("recipient", RECIPIENTS[(version + place) % 5], [message, version, place])
            for place in range(LETTERS)
        ]
        return Decision([Sent()], version, told)

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


class Recipient(Decider[int]):
    """Notes each message as often as it comes."""

    category: ClassVar[str] = "recipient"
    event_types: ClassVar[Sequence[type[Event]]] = (Got,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> list[Event]:
        return [Got(*message)]

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


def main(url: str, failpoint: str, count: int, lease: float) -> None:
    """Send from several threads at once, for ever."""
    failpoints = Failpoints({failpoint: KillAt(count)} if failpoint else {})
    actors = [Sender(), Recipient()]
    with ActorSystem(url, actors=actors, failpoints=failpoints, lease=lease or None) as system:

        def send(names: Sequence[str]) -> None:
            while True:
                for name in names:
                    try:
                        version = system.actor("sender", name).ask(name, timeout=20)
                    except IndelibleError:
                        continue  # the shard is on its way to another owner
                    os.write(1, f"{name} {version}\n".encode())

        threads = [threading.Thread(target=send, args=(SENDERS[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
