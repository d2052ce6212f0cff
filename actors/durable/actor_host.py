"""Parts that all durable actors of a system share: store, clock, deciders and effect port."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from indelible.actors.decider import Decider, takes_context
from indelible.actors.durable.commit.promises import awaits_effects
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
    """A message that no actor handled."""

    stream: str
    message: Any
    why: str


class WorkTracker(Protocol):
    """Tracks work outside the actors of one category, such as attempts; quick, never raises."""

    def resumption(self, actor: DurableActor, state: Any, own: Sequence[Event], /) -> Any:
        """The first message for an actor that was rebuilt from the log, or ``None``.

        ``own`` are the events that this actor object has appended, the newest of the stream.
        """
        ...

    def rests(self, actor: DurableActor, state: Any, /) -> bool:
        """Whether no open work of ``state`` needs this actor in memory."""
        ...

    def set_aside(self, actor: DurableActor, why: BaseException, /) -> None:
        """Note that ``actor`` handles no more messages."""
        ...


class Carrier(Protocol):
    """Delivers messages that are stored with their sender's events; never raises.

    A message that it does not deliver stays in the inbox, where the inbox worker finds it.
    """

    def sending(self, commands: Sequence[Command], /) -> None:
        """Note ``commands`` before they are stored; ``sent`` or ``not_sent`` follows."""
        ...

    def sent(self, commands: Sequence[Command], /) -> None:
        """Deliver ``commands``, which are durable, on the thread that led the commit."""
        ...

    def not_sent(self, commands: Sequence[Command], /) -> None:
        """Forget ``commands``: their append has failed, or its outcome is unknown."""
        ...


class NoWorkTracker:
    """Tracks nothing: the state of users' actors holds everything that they wait for."""

    def resumption(self, _actor: DurableActor, _state: Any, _own: Sequence[Event]) -> None:
        """No message: the actor continues with the next one that comes."""
        return

    def rests(self, _actor: DurableActor, _state: Any) -> bool:
        """No: the decider alone knows."""
        return False

    def set_aside(self, actor: DurableActor, why: BaseException) -> None:
        """Nothing to do: each asker gets the error from the actor."""


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

        Effects of the categories ``checked`` are checked before anything is stored.  Deciders of
        ``context_categories`` take the context of each message; streams of ``awaiting_categories``
        wait for effects; streams of ``wakeable_categories`` are woken at the time in their rows.
        """
        self.store = store
        self.types = types
        self.clock = clock
        self.ids = ids
        self.dispatcher = dispatcher
        self.deciders = deciders
        self.context_categories = frozenset(
            c for c, decider in deciders.items() if takes_context(decider)
        )
        self.awaiting_categories = frozenset(
            c for c, decider in deciders.items() if awaits_effects(decider)
        )
        self.wakeable_categories = self.awaiting_categories | {
            c for c, work_tracker in work_trackers.items() if work_tracker is not NO_WORK_TRACKER
        }
        self.checked = frozenset(checked)
        self.effects = effects
        self.work_trackers = work_trackers
        self.intensity = intensity
        self.snapshots = snapshots
        self.retry_later = retry_later
        self.carrier: Carrier  # this and the next are set before the first actor is made
        self.encode_reply: Callable[[str, Any], bytes]  # of a stream, for other processes
        self.dead_letters: deque[DeadLetter] = deque(maxlen=1_000)  # the newest

    def recover(self, actor: DurableActor, since: int | None) -> RecoveredState:
        """The state of ``actor`` from the log; from a batch if streams were read together.

        Raises:
            StoreError: The log cannot be read, or an event cannot be decoded.
        """
        ahead, actor.ahead = actor.ahead, None  # used once: the actor appends events afterwards
        whole = None if ahead is None else ahead.take(actor.stream)
        decider = self.deciders[actor.category]
        return recover(self.store, self.types, decider, actor.stream, since=since, whole=whole)

    def dead_letter(self, stream: str, message: Any, why: str) -> None:
        """Log and keep a message that no actor handles."""
        self.dead_letters.append(DeadLetter(stream, message, why))
        logger.warning("dead letter for %s (%s): %r", stream, why, type(message).__name__)
