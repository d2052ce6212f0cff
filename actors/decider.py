"""The pure core of every durable actor: messages in, events out, state folded from events.

Nothing here reads a clock or does I/O: ``decide`` gets the time in the message (invariant 11).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from indelible.events.event import Event

S = TypeVar("S")


class Decision(msgspec.Struct, gc=False, frozen=True):
    """What a message causes; everything but ``events`` waits until they are durable.

    Attributes:
        events: Facts to append, in order; none when nothing changes.
        reply: Answer for the asker; an exception is raised at the asker.
        effects: Values for the category's effect handler, performed after the commit.
        blobs: (sha256, bytes) that the events refer to.
    """

    events: Sequence[Event] = ()
    reply: Any = None
    effects: Sequence[Any] = ()
    blobs: Sequence[tuple[bytes, bytes]] = ()


NOTHING = Decision()
"""The decision to do nothing."""


class Decider(Generic[S]):
    """Describes one category of streams; subclass it to make an event-sourced actor.

    The methods run on worker threads, one message at a time for each stream.  They must not
    block, read a clock, or keep anything outside the state.  An instance serves all streams of
    its category.

    Attributes:
        category: What stands before the first dash of the stream's name.
        event_types: Event classes that the category's streams hold.
    """

    category: ClassVar[str] = ""
    event_types: ClassVar[Sequence[type[Event]]] = ()

    def initial_state(self) -> S:
        """State of a stream that holds no event."""
        raise NotImplementedError(f"{type(self).__name__} must define initial_state()")

    def decide(self, state: S, message: Any) -> Decision | Iterable[Event]:
        """Events (and reply, effects) that ``message`` causes; must not change ``state``.

        Raise :class:`indelible.errors.RefusedError` to say no: the asker gets it, the actor goes
        on.  Any other exception restarts the actor from its events.
        """
        raise NotImplementedError(f"{type(self).__name__} must define decide()")

    def evolve(self, state: S, event: Any) -> S:
        """State after ``event``; owns ``state`` and may change it in place.

        Must accept every event ever written to the category.
        """
        raise NotImplementedError(f"{type(self).__name__} must define evolve()")

    def unfinished(self, state: S) -> tuple[str, int]:  # noqa: ARG002 - the default ignores it
        """Status word of the stream and when to wake it (microseconds UTC, 0 is never)."""
        return "", 0

    def at_rest(self, state: S) -> bool:  # noqa: ARG002 - the default ignores it
        """Whether the state may leave memory until the next message."""
        return True


def fold(decider: Decider[S], state: S, events: Iterable[Event]) -> S:
    """State after ``events``, in order (invariant 4)."""
    evolve = decider.evolve
    for event in events:
        state = evolve(state, event)
    return state
