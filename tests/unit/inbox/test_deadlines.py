"""How long a command of another process may wait when its sender does not say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.errors import AskTimeoutError
from indelible.events.inbox.inbox import Command
from indelible.events.memory.store import MemoryEventStore
from indelible.remote.remote_actors import InboxRemoteActors
from unit.inbox.counters import Counter


class Unserved:
    """A client of a store that no process owns."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryEventStore(clock=self.clock)
        self.client = ActorSystem(
            self.store, mode="client", actors=[Counter()], clock=self.clock, drain=0
        )

    def submitted(self, number: int) -> list[Command]:
        """The first ``number`` commands, once they are there."""
        inbox = self.store.inbox
        watcher = inbox.watch()
        while len(found := inbox.first({0}, number)) < number:
            watcher.wait(30)
        watcher.close()
        return [one.command for one in found]


@pytest.fixture
def unserved() -> Iterator[Unserved]:
    unserved = Unserved()
    with unserved.client:
        yield unserved


def test_a_command_may_be_handled_for_30_seconds_unless_its_asker_says_otherwise(
    unserved: Unserved,
) -> None:
    client = access_to(unserved.client)
    futures = [
        client.send("counter-a", 1),
        client.send("counter-b", 1, message_id="b"),
        InboxRemoteActors(client.inbox_client, client.parts.host).ask("counter-c", 1),
        client.send("counter-d", 1, timeout=5),
    ]
    found = {command.stream: command.timeout for command in unserved.submitted(4)}
    long, short = 30_000_000, 5_000_000
    assert found == dict(
        zip(["counter-" + x for x in "abcd"], [long, long, long, short], strict=True)
    )
    unserved.clock.advance(30)
    for future, seconds in zip(futures, [30, 30, 30, 5], strict=True):
        with pytest.raises(AskTimeoutError) as caught:
            future.get(timeout=30)
        assert caught.value.__dict__["timeout"] == seconds


def test_what_is_told_waits_for_its_actor_without_an_end(unserved: Unserved) -> None:
    unserved.client.actor("counter", "a").tell(1)
    [told] = unserved.submitted(1)
    assert told.timeout == 0
