"""A service to be killed: owns a part of the shards, and starts runs until it is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress

from crash.run_child import DEFINITION, make_system, say
from indelible.errors import StaleEpochError, StoreUnavailableError
from indelible.events.postgres.store import PostgresEventStore
from indelible.failpoints import Failpoints


def main(url: str, diary: str, lease: float, pause: float) -> None:
    """Start a run every ``pause`` seconds; ids are chosen here, so that their shards are ours.

    What is refused, since a busy machine let a lease end or a lock be waited for in vain, was not
    accepted; it may have happened all the same.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    system = make_system(PostgresEventStore(url, lease=lease), diary, Failpoints())
    with system:
        say("open")
        agent = system.workflow_agent("agent")
        while not stop.wait(pause):
            with suppress(StoreUnavailableError, StaleEpochError):
                say(f"accepted {agent.start(DEFINITION).run_id}")
    say("closed")


if __name__ == "__main__":
    url, diary, lease, pause = sys.argv[1:]
    main(url, diary, float(lease), float(pause))
