"""The part of a durable actor that tracks its promises: effects that its state waits for."""

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
    apply_engine_event,
    check_ended,
    check_promises,
    forget_old,
    key_of,
    outstanding,
)
from indelible.actors.effects.calls.call_decisions import (
    BeginCall,
    CallAt,
    CallCutOff,
    CallDue,
    CallNotBegun,
    CallOver,
    decide_call,
)
from indelible.actors.effects.effect_port import EffectPort
from indelible.actors.effects.effect_types import Call, Caused, TimerAt
from indelible.events.codec.metadata import decode_metadata, encode_metadata, promising
from indelible.events.inbox.inbox import Command
from indelible.events.model.event import EncodedEvent
from indelible.events.model.message_context import Context, caused_by

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor


class TimerDue(NamedTuple):
    """A timer is due; its message is taken from ``pending`` when the actor handles this."""

    key: str
    due: int


class EffectEnded(NamedTuple):
    """An effect has ended; ``decide`` is told once, and the state then waits for it no more.

    Attributes:
        key: Of the effect.
        id: Of the effect.
        make_message: Makes the message for ``decide``, on the actor's thread.
    """

    key: str
    id: str
    make_message: Callable[[], Any]


class CallAction(NamedTuple):
    """The next action for a call, decided by the engine."""

    caused: Caused
    action: BeginCall | CallAt | ResumeCall


class ResumeCall(NamedTuple):
    """The log says that this attempt is under way: check whether it is, in this process."""

    attempt: int


DROPPED = object()
"""Stands for a message that is dropped: the state does not wait for that effect."""

ENGINE_MESSAGES = frozenset((TimerDue, EffectEnded, CallOver, CallDue, CallCutOff, CallNotBegun))
"""Types of the engine's own messages; ``decide`` gets the messages made from them."""


class PromisingActor(ContextualActor):
    """Gives each effect its id, and issues again the effects that the state waits for."""

    __slots__ = ("_awaits_effects", "_effects", "_promises", "_state", "_wanted")

    _effects: EffectPort
    _promises: dict[str, Promise]  # the newest of each key, outstanding or not
    _state: Any
    _awaits_effects: bool  # the decider defines pending
    _wanted: Wanted | None  # cached result of pending for this state

    def _outstanding(self) -> Wanted:
        """The effects that the state waits for; ``pending`` is called once for each state."""
        if self._wanted is None:
            self._wanted = outstanding(self._decider, self._state)
        return self._wanted

    def _promise(
        self, decision: Decision, context: Context | None, encoded: list[EncodedEvent]
    ) -> Sequence[Caused]:
        """The effects of ``decision`` with their ids; its events are the last of ``encoded``."""
        effects, promised = decision.effects, bool(decision.events)
        version = self._version + len(encoded)
        keys = [key_of(effect) for effect in effects]
        if self._awaits_effects or any(keys):
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

    def _add_effects(
        self,
        decision: Decision,
        context: Context | None,
        ended_effect: Any,
        encoded: list[EncodedEvent],
        commands: list[Command],
        effects: list[Any],
    ) -> None:
        """Add the effects of ``decision`` to ``commands`` and ``effects``; its events are evolved.

        ``ended_effect`` is the effect whose end was the message, if it was one.
        """
        if decision.events:
            self._wanted = None
        if ended_effect is not None:
            check_ended(self._decider, self._outstanding(), ended_effect, decision.effects)
        if decision.effects:
            caused = self._promise(decision, context, encoded)
            self._effects.sort(caused, commands, effects)

    def _handle_engine_message(
        self, message: Any, encoded: list[EncodedEvent], effects: list[Any]
    ) -> tuple[Any, Any, Context]:
        """Turn the engine's ``message`` into (message for ``decide``, its effect, its context).

        The message is :data:`DROPPED` if there is none.  Adds the engine's events and effects.
        """
        key = message.key
        effect, promise = self._outstanding().get(key), self._promises.get(key)
        caused = None if effect is None else self._as_caused(key, effect)
        told: Any = DROPPED
        if caused is None:
            return DROPPED, effect, self.context
        if type(message) is TimerDue:
            if type(effect) is TimerAt and effect.due <= message.due:
                told = effect.message
        elif type(message) is EffectEnded:
            if message.id == caused.id:
                told = message.make_message()
        elif type(effect) is Call and promise is not None and _is_of(message, caused, promise):
            settled = decide_call(effect, promise.cut_offs, message)
            metadata = encode_metadata(caused.context)
            for event in settled.events:
                host = self._host
                encoded.append(host.types.encode(event, host.ids.uuid7(), metadata))
                apply_engine_event(self._promises, event)
            if settled.action is not None:
                effects.append(CallAction(caused, settled.action))
            if settled.message is not None:
                told = settled.message
        return told, effect, caused.context

    def _reissue_effects(self) -> None:
        """Issue again all effects that the recovered state waits for.

        Raises:
            EventDecodeError: The context of an event that promised an effect is damaged.
            WrongPendingError: ``pending`` returned something that is not a valid effect.
        """
        if not self._awaits_effects:
            return
        again: list[Any] = []
        for key, effect in self._outstanding().items():
            if key not in self._promises:  # promised by events of an earlier program version
                unpromised = Promise(0, 0, self._metadata, attempt=0, retry_at=AT_ONCE)
                self._promises[key] = unpromised
            caused, promise = self._as_caused(key, effect), self._promises[key]
            if type(effect) is not Call:
                again.append(caused)
            elif promise.retry_at:
                again.append(CallAction(caused, CallAt(promise.attempt, promise.retry_at)))
            else:
                again.append(CallAction(caused, ResumeCall(promise.attempt)))
        self._effects.perform(cast("DurableActor", self), again)

    def _as_caused(self, key: str, effect: Any) -> Caused:
        """``effect`` with the context and the id of its first issue."""
        promise = self._promises[key]
        cause = f"{self.stream}/{promise.version}"
        context = caused_by(
            decode_metadata(promise.metadata),
            cause if promise.version else "",
            identity=self.identity,
        )
        return Caused(effect, context, f"{cause}/{promise.place if promise.version else key}")


def _is_of(message: Any, caused: Caused, promise: Promise) -> bool:
    """Whether ``message`` is about the call's last attempt, and not about an earlier one."""
    return bool(message.id == caused.id and message.attempt == promise.attempt)
