"""The part of a durable actor that keeps its promises: effects that its state waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from msgspec.structs import replace

from indelible.actors.decider import Decision
from indelible.actors.durable.commit.event_context import ContextualActor
from indelible.actors.durable.commit.promises import (
    AT_ONCE,
    Promise,
    Wanted,
    check_over,
    check_promises,
    forget_old,
    key_of,
    note_own,
    outstanding,
)
from indelible.actors.effects.calls.call_decisions import (
    BeginCall,
    CallAt,
    CallCutOff,
    CallDue,
    CallNotBegun,
    CallOver,
    settle,
)
from indelible.actors.effects.effect_port import EffectPort
from indelible.actors.effects.effect_types import Call, Caused, TimerAt
from indelible.events.codec.metadata import decode_metadata, encode_metadata, promising
from indelible.events.inbox.inbox import Command
from indelible.events.model.event import EncodedEvent
from indelible.events.model.message_context import Context, caused_by

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor


class Due(NamedTuple):
    """The time of a timer has come; its message is what ``pending`` says now."""

    key: str
    due: int


class Over(NamedTuple):
    """What an effect has come to, which is told once: the state waits for it no more then.

    Attributes:
        key: Of the effect.
        id: Of the effect.
        told: Makes what ``decide`` gets; on the actor's thread.
    """

    key: str
    id: str
    told: Callable[[], Any]


class Again(NamedTuple):
    """What is done next about a call, by the engine's own decision."""

    caused: Caused
    then: BeginCall | CallAt | ResumeCall


class ResumeCall(NamedTuple):
    """The attempt is under way by the log: see whether it is, in this process."""

    attempt: int


PASSED = object()
"""The message that comes of what the state does not wait for any more, or not yet."""

OWN = frozenset((Due, Over, CallOver, CallDue, CallCutOff, CallNotBegun))
"""Types of messages that are of the engine; ``decide`` gets what comes of them."""


class PromisingActor(ContextualActor):
    """Gives each effect its id, and issues again what the state waits for."""

    _effects: EffectPort
    _promises: dict[str, Promise]  # the newest of each key, outstanding or not
    _state: Any
    _waits: bool  # the decider defines pending
    _wanted: Wanted | None = None  # what the state waits for, once it was asked

    def _outstanding(self) -> Wanted:
        """The effects that the state waits for; its decider is asked once for each state."""
        if self._wanted is None:
            self._wanted = outstanding(self._decider, self._state)
        return self._wanted

    def _promise(
        self, decision: Decision, context: Context | None, encoded: list[EncodedEvent]
    ) -> Sequence[Caused]:
        """The effects of ``decision``, whose events are the last of ``encoded``, with their ids."""
        effects, promised = decision.effects, bool(decision.events)
        version = self._version + len(encoded)
        keys = [key_of(effect) for effect in effects]
        if self._waits or any(keys):
            check_promises(self._decider, self._outstanding(), effects)
        if promised and any(keys):
            metadata = promising(encoded[-1].metadata or self._metadata, keys)
            encoded[-1] = replace(encoded[-1], metadata=metadata)
            for place, key in enumerate(keys):
                if key:
                    self._promises[key] = Promise(version, place, metadata)
            forget_old(self._promises, self._outstanding)
        known = self.context if context is None else context
        cause = f"{self.stream}/{version}" if promised else ""
        theirs = caused_by(known, cause, identity=self.identity)
        return [
            Caused(effect, theirs, f"{cause}/{place}" if promised else "")
            for place, effect in enumerate(effects)
        ]

    def _look_after(
        self,
        decision: Decision,
        context: Context | None,
        over: Any,
        encoded: list[EncodedEvent],
        commands: list[Command],
        effects: list[Any],
    ) -> None:
        """Add the effects of ``decision``, which has been evolved, to those that go with it.

        ``over`` is the effect that has come back with its message, if one has.
        """
        if decision.events:
            self._wanted = None
        if over is not None:
            check_over(self._decider, self._outstanding(), over, decision.effects)
        if decision.effects:
            caused = self._promise(decision, context, encoded)
            self._effects.sort(caused, commands, effects)

    def _own(
        self, message: Any, encoded: list[EncodedEvent], effects: list[Any]
    ) -> tuple[Any, Any, Context]:
        """What comes of a ``message`` of the engine: what ``decide`` gets, of which effect, whence.

        :data:`PASSED` if it gets nothing.  Events and effects of the engine are added.
        """
        key = message.key
        effect, promise = self._outstanding().get(key), self._promises.get(key)
        caused = None if effect is None else self._again(key, effect)
        told: Any = PASSED
        if caused is None:
            return PASSED, effect, self.context
        if type(message) is Due:
            if type(effect) is TimerAt and effect.due <= message.due:
                told = effect.message
        elif type(message) is Over:
            if message.id == caused.id:
                told = message.told()
        elif type(effect) is Call and promise is not None and _is_of(message, caused, promise):
            settled = settle(effect, promise.cut_offs, message)
            metadata = encode_metadata(caused.context)
            for event in settled.events:
                host = self._host
                encoded.append(host.types.encode(event, host.ids.uuid7(), metadata))
                note_own(self._promises, event)
            if settled.then is not None:
                effects.append(Again(caused, settled.then))
            if settled.told is not None:
                told = settled.told
        return told, effect, caused.context

    def _issue_again(self) -> None:
        """Issue what the state waits for, which was read back from the log.

        Raises:
            EventDecodeError: The context of an event that promised something is damaged.
            WrongPendingError: ``pending`` does not say what is outstanding.
        """
        if not self._waits:
            return
        again: list[Any] = []
        for key, effect in self._outstanding().items():
            if key not in self._promises:  # by events that an earlier version has written
                unpromised = Promise(0, 0, self._metadata, attempt=0, retry_at=AT_ONCE)
                self._promises[key] = unpromised
            caused, promise = self._again(key, effect), self._promises[key]
            if type(effect) is not Call:
                again.append(caused)
            elif promise.retry_at:
                again.append(Again(caused, CallAt(promise.attempt, promise.retry_at)))
            else:
                again.append(Again(caused, ResumeCall(promise.attempt)))
        self._effects.perform(cast("DurableActor", self), again)

    def _again(self, key: str, effect: Any) -> Caused:
        """``effect``, which the state waits for, as it was caused."""
        promise = self._promises[key]
        cause = f"{self.stream}/{promise.version}"
        context = caused_by(
            decode_metadata(promise.metadata),
            cause if promise.version else "",
            identity=self.identity,
        )
        return Caused(effect, context, f"{cause}/{promise.place if promise.version else key}")


def _is_of(message: Any, caused: Caused, promise: Promise) -> bool:
    """Whether ``message`` says something of the last attempt, rather than of one before it."""
    return bool(message.id == caused.id and message.attempt == promise.attempt)
