"""Actors that tell each other, on one thread, with crashes between any two tasks.

Each message has a number of its own and says what its recipient is to tell on; so the events that
must be there in the end follow from those of the messages that came from outside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from indelible import ActorSystem, Decider, Decision, Event, Tell
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.events.memory.store import MemoryEventStore
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime
from simulated_runs import SCALE

NAMES = ("a", "b", "c")
Letter = list[Any]
"""Number of the message, and (name of the recipient, letter) of each that follows from it."""


class Got(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "post.got"

    number: int


class Post(Decider[int]):
    """Notes each letter, and tells on what it says."""

    category: ClassVar[str] = "post"
    event_types: ClassVar[Sequence[type[Event]]] = (Got,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Letter) -> Decision:
        number, following = message
        return Decision([Got(number)], None, [Tell("post", to, what) for to, what in following])

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


@st.composite
def letters(draw: st.DrawFn) -> Letter:
    """A letter of up to some dozens, numbered within itself from 0."""
    count = 0

    def letter(depth: int) -> Letter:
        nonlocal count
        number, count = count, count + 1
        width = draw(st.integers(0, 3)) if depth else 0
        return [number, [[draw(st.sampled_from(NAMES)), letter(depth - 1)] for _ in range(width)]]

    return letter(draw(st.integers(0, 3)))


def numbered(letter: Letter, first: int) -> Letter:
    number, following = letter
    return [first + number, [[to, numbered(what, first)] for to, what in following]]


def numbers(letter: Letter) -> Iterator[int]:
    yield letter[0]
    for _, what in letter[1]:
        yield from numbers(what)


class World:
    """A store that outlives crashes, and systems on one thread, one after the other."""

    def __init__(self, seed: int) -> None:
        self.clock = ManualClock()
        self.ids = SeededIds(seed, self.clock)
        self.store = MemoryEventStore(clock=self.clock)
        self.seed = seed
        self.open()

    def open(self) -> None:
        self.seed += 1
        self.runtime = SimulatedRuntime(self.seed, self.clock)
        self.system = ActorSystem(
            self.store,
            actors=[Post()],
            clock=self.clock,
            ids=self.ids,
            runtime=lambda: self.runtime,
        )
        self.system.open()

    def crash(self) -> None:
        self.runtime.crash()
        self.store.close()
        self.open()

    def got(self) -> Counter[int]:
        decode = access_to(self.system).parts.types.decode
        found: Counter[int] = Counter()
        for head in self.store.heads("post"):
            for event in self.store.read(head.stream):
                got = decode(event)
                assert isinstance(got, Got)
                found[got.number] += 1
        return found


WHAT_HAPPENS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(NAMES), letters()),
        st.integers(0, 12),  # tasks that run
        st.none(),  # a crash
    ),
    max_size=12,
)


@settings(max_examples=100 * SCALE)
@given(WHAT_HAPPENS, st.integers(0, 1_000))
def test_what_was_told_is_there_once_whatever_crashes_in_between(
    happens: list[Any], seed: int
) -> None:
    world, sent, count = World(seed), list[Letter](), 0
    for one in happens:
        if one is None:
            world.crash()
        elif isinstance(one, int):
            world.runtime.run(one)
        else:
            name, letter = one
            letter = numbered(letter, count)
            count += sum(1 for _ in numbers(letter))
            sent.append(letter)
            world.system.actor("post", name).tell(letter)
    world.runtime.run(100_000)
    got = world.got()
    roots = [letter for letter in sent if letter[0] in got]
    assert got == Counter(number for letter in roots for number in numbers(letter))
    assert world.store.inbox.waiting(frozenset({0}), 1) == []
    assert not access_to(world.system).parts.host.dead_letters
    world.system.close()
