"""A long queue holds up nobody who has something to do between two groups."""

from __future__ import annotations

import threading

from indelible.errors import ShardNotOwnedError
from indelible.events.commit.group_size import GROUP_EVENTS
from indelible.events.memory.store import MemoryEventStore
from indelible.events.store import Append
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import Outcomes, some_events


def test_the_leader_steps_aside_after_its_group_for_who_gives_a_shard_away() -> None:
    reached, opened = threading.Event(), threading.Event()

    def stand_still() -> None:
        reached.set()
        opened.wait()

    store = MemoryEventStore(failpoints=Failpoints({"commit.before": stand_still}))
    store.open()
    outcomes = Outcomes()
    for number in range(3):  # three groups
        events = some_events(GROUP_EVENTS)
        store.submit(Append(f"run-{number}", 0, events, outcomes.on_done))
    leader = threading.Thread(target=store.lead)
    leader.start()
    assert reached.wait(30)
    store._group.deadline(0, 2**62)  # waits for nobody
    dropper = threading.Thread(target=lambda: store._group.drop(0, ShardNotOwnedError(0)))
    dropper.start()
    while not store._group._lock_request.count:
        assert dropper.is_alive()
    opened.set()
    dropper.join()
    leader.join()
    store.close()
    assert [type(error) for error in outcomes.errors()] == [
        type(None),
        ShardNotOwnedError,
        ShardNotOwnedError,
    ]
