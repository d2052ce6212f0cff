"""A process of the inbox tests: ``URL own LEASE`` owns, ``URL ask NAME THREADS COUNT`` asks.

The owner says ``ready`` and goes on until its stdin ends, with commits of its own meanwhile.  In
the end each writes one JSON document: every reply it got, and every error, also one that was logged
and survived.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Sequence
from typing import Any, ClassVar

from indelible import ActorSystem, Decider, Decision
from indelible.events.model.event import Event


class Counted(Event, frozen=True, gc=False):
    """One message that was handled."""

    wire_name: ClassVar[str] = "counter.counted"

    by: int


class Counter(Decider[int]):
    """Adds what it is told and answers with the sum."""

    category: ClassVar[str] = "counter"
    event_types: ClassVar[Sequence[type[Event]]] = (Counted,)

    def initial_state(self) -> int:
        """Nothing yet."""
        return 0

    def decide(self, state: int, message: Any) -> Decision:
        """Add."""
        return Decision([Counted(message)], state + message)

    def evolve(self, state: int, event: Any) -> int:
        """The sum."""
        return state + int(event.by)


class Warnings(logging.Handler):
    """Adds what is logged to a list of errors."""

    def __init__(self, errors: list[str]) -> None:
        """Listen to everything from a warning on."""
        super().__init__(logging.WARNING)
        self._errors = errors
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self._errors.append(record.getMessage())


def own(url: str, lease: float) -> None:
    """Own the store until stdin ends; on PostgreSQL with a lease of so many seconds."""
    stop = threading.Event()
    replies: list[int] = []
    errors: list[str] = []
    Warnings(errors)
    with ActorSystem(url, actors=[Counter()], lease=lease) as system:

        def work() -> None:
            while not stop.is_set():
                try:
                    replies.append(system.actor("counter", "own").ask(1))
                except Exception as error:  # noqa: BLE001 - the test looks at it
                    errors.append(repr(error))

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        say("ready")
        sys.stdin.read()
        stop.set()
        for worker in workers:
            worker.join()
    say(json.dumps({"replies": replies, "errors": errors}))


def ask(url: str, name: str, threads: int, count: int) -> None:
    """Ask from many threads at once."""
    replies: list[int] = []
    errors: list[str] = []
    Warnings(errors)

    def work(system: ActorSystem) -> None:
        for _ in range(count):
            try:
                replies.append(system.actor("counter", name).ask(1))
            except Exception as error:  # noqa: BLE001 - the test looks at it
                errors.append(repr(error))

    with ActorSystem(url, mode="client", actors=[Counter()]) as system:
        askers = [threading.Thread(target=work, args=[system]) for _ in range(threads)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    say(json.dumps({"replies": replies, "errors": errors}))


def say(line: str) -> None:
    """Write a line for the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[2] == "own":
        own(sys.argv[1], float(sys.argv[3]))
    else:
        ask(sys.argv[1], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
