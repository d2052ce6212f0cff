"""A process to kill: forks one child for every order it reads, so that a kill costs 20 ms, not 500.

An order is a line of JSON: {"what": "append" | "open", "url", "failpoint", "count", "seed",
"lease"}.  It says, one line each and each in one write: ``P pid``, then ``A stream version position
id`` for what was acknowledged, at last ``X status`` when the child is dead.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from hashlib import sha256

import msgpack

from indelible.events.model.event import EncodedEvent
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints, KillAt
from indelible.ids import Ids

THREADS = 4
SHARDS = 4  # on PostgreSQL
APPENDS = 5_000  # of one thread; far more than it lives to make


def main() -> None:
    warm_up()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                obey(order)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        say(f"X {status}")


def warm_up() -> None:
    """Import what opening imports, in the parent, which must have no thread when it forks."""
    import alembic.command  # noqa: F401

    import indelible.events.postgres.store
    import indelible.events.sqlite.store
    import indelible.migrations  # noqa: F401


def obey(order: dict[str, object]) -> None:
    say(f"P {os.getpid()}")
    name, count = str(order["failpoint"]), int(str(order["count"]))
    failpoints = Failpoints({name: KillAt(count)} if name else {})
    lease = order["lease"]
    assert lease is None or isinstance(lease, float)
    store = open_store(str(order["url"]), failpoints=failpoints, shards=SHARDS, lease=lease)
    wait_for_shards(store)
    say("O")
    if order["what"] == "append":
        threads = [
            threading.Thread(target=append, args=(store, f"run-{n}", f"{order['seed']}-{n}"))
            for n in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    store.close()
    os._exit(0)


def wait_for_shards(store: EventStore) -> None:
    """Wait until the leases of who was killed before have run out."""
    changed = threading.Event()
    store.on_ownership(lambda _gained, _lost: changed.set())
    while len(store.owned()) < store.shards:
        changed.wait()
        changed.clear()


def append(store: EventStore, stream: str, seed: str) -> None:
    """Append to one stream: events that say which append they are of, sometimes with a blob."""
    ids, draw = Ids(), random.Random(seed)  # noqa: S311 - what to write
    head = store.head(stream)
    version = head.version if head else 0
    for number in range(APPENDS):
        size = draw.randint(1, 3)
        content = draw.randbytes(70_000) if draw.random() < 0.05 else b""
        digest = sha256(content).digest() if content else b""
        events = [
            EncodedEvent(ids.uuid7(), "n", 1, msgpack.packb([f"{seed}-{number}", n, size, digest]))
            for n in range(size)
        ]
        blobs = [(digest, content)] if content else []
        status = draw.choice(["running", "done", None])
        recorded = store.append(stream, events, expected=version, status=status, blobs=blobs)
        version += size
        say(
            "\n".join(
                f"A {event.stream} {event.version} {event.position} {event.event_id.hex()}"
                for event in recorded
            )
        )


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main()
