"""A process that is a consumer: it says what it is given, and commits when it is told to."""

from __future__ import annotations

import json
import sys

from indelible.clock import SystemClock
from indelible.errors import RoleLostError
from indelible.events.lease.role_holder import RoleHolder
from indelible.events.model.event_types import EventTypes
from indelible.events.opening import open_store
from indelible.events.subscribe.consumers import Consumer
from indelible.events.subscribe.log_followers import LogFollowers

url, name, lease, max_batch = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])


def say(*words: object) -> None:
    print(json.dumps(words), flush=True)  # noqa: T201 - to the test


store = open_store(url, mode="client")
roles = RoleHolder(store, name, SystemClock(), lease=lease)
consumer = Consumer(LogFollowers(store), EventTypes(), roles, "billing", max_batch=max_batch)
say("ready")
for batch in consumer:
    say("batch", [(item.recorded.shard, item.recorded.position) for item in batch])
    if sys.stdin.readline().strip() != "commit":
        break
    try:
        consumer.commit(batch.cursor)
        say("committed")
    except RoleLostError:
        say("lost")
        break
roles.close()
store.close()
