"""One system alone with its inbox, and a pair that share a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from indelible import ActorSystem
from indelible.events.memory.store import MemoryEventStore
from indelible.failpoints import Failpoints
from indelible.testing.faults import Fault
from indelible.testing.hold import Hold
from unit.inbox.counters import Counter, note
from unit.inbox.pairs import Pair


class Alone:
    """A store in memory, the faults of its commits, and the system on it."""

    def __init__(self) -> None:
        self.commit = Hold()
        self.before, self.after = Fault(), Fault()
        places: dict[str, Callable[[], None]] = {
            "commit.begun": self.before,
            "commit.before": self.commit,
            "commit.after": self.after,
        }
        self.store = MemoryEventStore(failpoints=Failpoints(places))
        self.system = ActorSystem(self.store, actors=[Counter()], steps=[note], drain=2)

    def count(self) -> int:
        """Events of counter c, as the log has them."""
        return len(self.system.actor("counter", "c").events())


@pytest.fixture
def alone() -> Iterator[Alone]:
    alone = Alone()
    with alone.system:
        yield alone
        alone.commit.open()


@pytest.fixture
def closed_pair(each_url: str) -> Iterator[Pair]:
    with ExitStack() as then:
        yield Pair(each_url, then)


@pytest.fixture
def pair(closed_pair: Pair) -> Pair:
    closed_pair.open()
    return closed_pair
