"""A process that writes to the shards it owns, on several threads; some groups are held up or fail.

It says which events were acknowledged, and ends when its input does.
"""

from __future__ import annotations

import itertools
import random
import sys
import threading
from contextlib import suppress

from indelible.errors import StoreError, StoreUnavailableError
from indelible.events.postgres.store import PostgresEventStore
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import some_events
from indelible.testing.faults import InjectedError

url, name, lease, threads = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
PAUSE = 0.02  # seconds: the machine is for those who read and take over, too
chance = random.Random(name)  # noqa: S311 - faults, no secrets
ended = threading.Event()
saying = threading.Lock()


def hold_or_fail() -> None:
    """The group's transaction is open: keep it so for a while, or roll it back."""
    drawn = chance.random()
    if drawn < 0.10:
        ended.wait(drawn)
    elif drawn < 0.13:
        raise InjectedError("rolled back")


store = PostgresEventStore(url, lease=lease, failpoints=Failpoints({"commit.before": hold_or_fail}))
while store.state == "closed":
    with suppress(StoreUnavailableError):  # a busy machine, and a short lease
        store.open()


def write(thread: int) -> None:
    """Append to streams of owned shards, new ones again and again."""
    for number in itertools.count():
        stream = f"run-{name}-{thread}-{number}"
        version = 0
        while version < 6 and not ended.is_set() and store.shard_of(stream) in store.owned():
            try:
                recorded = store.append(stream, some_events(2), expected=version)
            except StoreError:
                break  # it may have happened: go on elsewhere
            version += 2
            ended.wait(PAUSE)
            with saying:
                for event in recorded:
                    print("A", event.event_id.hex(), flush=True)  # noqa: T201 - to the test
        if ended.is_set():
            return


writers = [threading.Thread(target=write, args=(thread,)) for thread in range(threads)]
for writer in writers:
    writer.start()
print("open", flush=True)  # noqa: T201 - to the test
sys.stdin.read()
ended.set()
for writer in writers:
    writer.join()
store.close()
