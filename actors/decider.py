"""The pure core of every durable actor: messages in, events out, state folded from events.

Nothing here reads a clock or does I/O: ``decide`` gets the time with the message (invariant 11).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import msgspec

from indelible.events.model.event import Event

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # type checkers know it; the library does not need it

    S = TypeVar("S", default=Any)
    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    S, R = TypeVar("S"), TypeVar("R")


class Decision(msgspec.Struct, gc=False, frozen=True):
    """What a message causes; reply and effects are held back until the events are durable.

    Attributes:
        events: Facts to append, in order; none when nothing changes.
        reply: Answer for the asker; an exception is raised at the asker, and a ``Later`` keeps it
            waiting for another decision.
        effects: Actions to perform once the events are durable: ``Tell``, ``Call`` and the like.
        blobs: (sha256, bytes) that the events refer to.
    """

    events: Sequence[Event] = ()
    reply: Any = None
    effects: Sequence[Any] = ()
    blobs: Sequence[tuple[bytes, bytes]] = ()


NOTHING = Decision()
"""The decision to do nothing."""


class Decider(Generic[S, R]):
    """Describes one category of streams; subclass it to make an event-sourced actor.

    ``Decider[State]`` or ``Decider[State, Reply]`` names the types of its state and of its
    replies; handles take their types from it.

    The methods run on worker threads, one message at a time for each stream.  They must not
    block, read a clock, or keep anything outside the state.  An instance serves all streams of
    its category.  Call their parameters what your domain calls them.

    A category whose streams grow long may define :meth:`snapshot` and :meth:`restore`, both or
    neither: then an actor loads the newest snapshot and replays only the events after it.

    Attributes:
        category: The part of the stream's name before the first dash.
        event_types: Event classes that the category's streams hold.
        message_types: msgspec Structs that other processes may send besides plain values, and get
            as replies; a name once used should keep its meaning for a week.
        snapshot_schema: Change it whenever ``snapshot``, ``restore``, ``evolve`` or an upcast
            gives other states: snapshots of another schema are ignored.
        snapshot_every: Events between two snapshots; 0 derives it from the cost of replay.
        inherits: Whether every event gets the context of the stream's first event, as in runs.
    """

    if not TYPE_CHECKING:
        __class_getitem__ = classmethod(GenericAlias)  # Generic would want both parameters

    category: ClassVar[str] = ""
    event_types: ClassVar[Sequence[type[Event]]] = ()
    message_types: ClassVar[Sequence[type[msgspec.Struct]]] = ()
    snapshot_schema: ClassVar[str] = "1"
    snapshot_every: ClassVar[int] = 0
    inherits: ClassVar[bool] = False

    def initial_state(self) -> S:
        """State of a stream that holds no event."""
        raise NotImplementedError(f"{type(self).__name__} must define initial_state()")

    def decide(
        self,
        state: S,
        message: Any,
        /,
        *context: Any,
        **named: Any,  # so that type checkers take both forms
    ) -> Decision | Iterable[Event]:
        """Events (and reply, effects) that ``message`` causes; must not change ``state``.

        Define it as ``decide(self, state, message)``, or with a third parameter, which gets the
        message's :class:`~indelible.events.model.message_context.MessageContext`: its sender and
        the time.

        Raise :class:`indelible.errors.RefusedError` to refuse the message: the asker gets the
        error, and the actor continues.  Any other exception restarts the actor from its events.
        """
        raise NotImplementedError(f"{type(self).__name__} must define decide()")

    def evolve(self, state: S, event: Any, /) -> S:
        """State after ``event``; owns ``state`` and may change it in place.

        Must accept every event ever written to the category: any exception, a ``RefusedError``
        too, is a fault of the program.  The whole decision is dropped, the asker gets the error (an
        ``ActorFailedError`` for a refusal), and the actor is rebuilt from its events.
        """
        raise NotImplementedError(f"{type(self).__name__} must define evolve()")

    def unfinished(self, state: S, /) -> tuple[str, int]:  # noqa: ARG002 - the default ignores it
        """Status word of the stream and when to wake it (microseconds UTC, 0 is never)."""
        return "", 0

    def pending(self, state: S, /) -> Iterable[Any]:  # noqa: ARG002 - the default ignores it
        """The effects that ``state`` waits for: effects with a key that have no result yet.

        Called after the actor was rebuilt from its events (crash, take-over, error): these effects
        are issued again, each with its old id.  Also called after each decision, to learn when the
        stream must be woken; so it must be quick.
        """
        return ()

    def at_rest(self, state: S, /) -> bool:  # noqa: ARG002 - the default ignores it
        """Whether the state may leave memory until the next message."""
        return True

    def snapshot(self, state: S, /) -> Any:
        """``state`` as a value that can be stored, see :mod:`indelible.events.codec.values`.

        The value is encoded before the next event changes the state, so the two may share parts.
        Called on the actor's thread; after the actor has left memory, on the snapshot writer's.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no snapshots")

    def restore(self, value: Any, /) -> S:
        """The state from which :meth:`snapshot` made ``value``; owns ``value``.

        If it raises any exception, the state is folded from all events instead.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no snapshots")


def takes_snapshots(decider: Decider[Any]) -> bool:
    """Whether ``decider`` defines snapshots.

    Raises:
        TypeError: It defines only one of the two methods, no schema, or a negative interval.
    """
    cls = type(decider)
    keeps = cls.snapshot is not Decider.snapshot
    if keeps != (cls.restore is not Decider.restore):
        raise TypeError(f"{cls.__name__} must define both snapshot() and restore(), or neither")
    if keeps and (not decider.snapshot_schema or decider.snapshot_every < 0):
        raise TypeError(
            f"{cls.__name__} needs a snapshot_schema, such as '1', and a snapshot_every from 0"
        )
    return keeps


def takes_context(decider: Decider[Any]) -> bool:
    """Whether ``decide`` has a third parameter, for the context of each message.

    Raises:
        TypeError: It takes neither two nor three parameters.
    """
    signature = inspect.signature(decider.decide)
    places = [p for p in signature.parameters.values() if p.kind in _POSITIONAL]
    wanted = 3 if len(places) >= 3 else 2
    try:
        signature.bind(*range(wanted))
    except TypeError:
        raise TypeError(
            f"{type(decider).__name__}.decide{signature} must take (state, message), or "
            "(state, message, context)"
        ) from None
    return wanted == 3


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def fold(decider: Decider[S, Any], state: S, events: Iterable[Event]) -> S:
    """State after ``events``, in order (invariant 4)."""
    evolve = decider.evolve
    for event in events:
        state = evolve(state, event)
    return state
