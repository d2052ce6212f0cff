"""What every durable actor of a system shares: the log, the clock, and who performs effects."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from indelible.actors.decider import Decider, sees_context
from indelible.actors.durable.commit.promises import waits
from indelible.actors.durable.recovery.restart_intensity import RestartIntensity
from indelible.actors.durable.recovery.snapshot_policy import Snapshots
from indelible.actors.durable.recovery.state_from_log import RecoveredState, recover
from indelible.actors.effects.effect_port import EffectPort
from indelible.actors.runtime.pool.dispatcher import Dispatcher
from indelible.clock import Clock
from indelible.events.inbox.inbox import Command
from indelible.events.model.event import Event
from indelible.events.model.event_types import EventTypes
from indelible.events.store import EventStore
from indelible.ids import Ids

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor

logger = logging.getLogger("indelible.actors")


class DeadLetter(NamedTuple):
    """A message that no actor took."""

    stream: str
    message: Any
    why: str


class WorkTracker(Protocol):
    """Knows what else goes on for the actors of one category; quick, and never raises."""

    def resumption(self, actor: DurableActor, state: Any, own: Sequence[Event], /) -> Any:
        """The first message for an actor that was read back from the log, or ``None``.

        ``own`` are the events that this very object has appended, the newest of the stream.
        """
        ...

    def rests(self, actor: DurableActor, state: Any, /) -> bool:
        """Whether all that goes on by ``state`` waits for something else than this actor."""
        ...

    def set_aside(self, actor: DurableActor, why: BaseException, /) -> None:
        """Know that ``actor`` takes no message any more."""
        ...


class Carrier(Protocol):
    """Hands messages over that are stored with the events of who sent them; never raises.

    What it does not hand over waits in the inbox, and is found there.
    """

    def sending(self, commands: Sequence[Command], /) -> None:
        """Know ``commands`` before they are stored; one of the others follows."""
        ...

    def sent(self, commands: Sequence[Command], /) -> None:
        """Hand over ``commands``, which are durable, on the thread that led the commit."""
        ...

    def not_sent(self, commands: Sequence[Command], /) -> None:
        """Forget ``commands``: their append has failed, or nobody knows what became of it."""
        ...


class NoWorkTracker:
    """Keeps nothing: users' actors have what they wait for in their state."""

    def resumption(self, _actor: DurableActor, _state: Any, _own: Sequence[Event]) -> None:
        """They go on when the next message comes."""
        return

    def rests(self, _actor: DurableActor, _state: Any) -> bool:
        """Only their deciders know."""
        return False

    def set_aside(self, actor: DurableActor, why: BaseException) -> None:
        """Who asks it hears of it; nobody else waits."""


NO_WORK_TRACKER: WorkTracker = NoWorkTracker()


class ActorHost:
    """The surroundings of a system's durable actors."""

    def __init__(
        self,
        *,
        store: EventStore,
        types: EventTypes,
        clock: Clock,
        ids: Ids,
        dispatcher: Dispatcher,
        deciders: Mapping[str, Decider[Any]],
        checked: Collection[str],
        effects: EffectPort,
        work_trackers: Mapping[str, WorkTracker],
        intensity: RestartIntensity,
        snapshots: Snapshots,
        retry_later: Callable[[DurableActor], None],
    ) -> None:
        """Keep the parts; ``retry_later`` wakes an actor whose store is unavailable.

        Effects of the categories ``checked`` are looked at before anything is stored.  ``seeing``
        are those whose deciders are given the context of each message, ``waiting`` those whose
        streams wait for effects, ``woken`` those whose streams are woken when their rows say so.
        """
        self.store = store
        self.types = types
        self.clock = clock
        self.ids = ids
        self.dispatcher = dispatcher
        self.deciders = deciders
        self.seeing = frozenset(c for c, decider in deciders.items() if sees_context(decider))
        self.waiting = frozenset(c for c, decider in deciders.items() if waits(decider))
        self.woken = self.waiting | {
            c for c, work_tracker in work_trackers.items() if work_tracker is not NO_WORK_TRACKER
        }
        self.checked = frozenset(checked)
        self.effects = effects
        self.work_trackers = work_trackers
        self.intensity = intensity
        self.snapshots = snapshots
        self.retry_later = retry_later
        self.carrier: Carrier  # set before the first actor is made
        self.dead_letters: deque[DeadLetter] = deque(maxlen=1_000)  # the newest ones

    def recover(self, actor: DurableActor, since: int | None) -> RecoveredState:
        """What the log has of ``actor``; read together with others if it is one of many.

        Raises:
            StoreError: The log cannot be read, or holds what nobody can decode.
        """
        ahead, actor.ahead = actor.ahead, None  # once: later it appends itself
        whole = None if ahead is None else ahead.take(actor.stream)
        decider = self.deciders[actor.category]
        return recover(self.store, self.types, decider, actor.stream, since=since, whole=whole)

    def bury(self, stream: str, message: Any, why: str) -> None:
        """Keep a message that nobody takes where people can see it."""
        self.dead_letters.append(DeadLetter(stream, message, why))
        logger.warning("dead letter for %s (%s): %r", stream, why, type(message).__name__)
