"""The part of a durable actor that keeps its promises: effects that its state waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from msgspec.structs import replace

from indelible.actors.decider import Decision
from indelible.actors.durable.effects import Caused, TimerAt
from indelible.actors.durable.in_context import InContext
from indelible.actors.durable.port import EffectPort
from indelible.actors.durable.promises import (
    Promise,
    check_promises,
    forget_old,
    key_of,
    outstanding,
)
from indelible.events.context import Context, caused_by
from indelible.events.event import EncodedEvent
from indelible.events.metadata import decode_metadata, promising

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor


class Due(NamedTuple):
    """The time of a timer has come; its message is what ``pending`` says now."""

    key: str
    due: int


PASSED = object()
"""The message of a timer that the state does not wait for any more."""


class Promising(InContext):
    """Gives each effect its id, and issues again what the state waits for."""

    _effects: EffectPort
    _promises: dict[str, Promise]  # the newest of each key, outstanding or not
    _state: Any
    _waits: bool  # the decider defines pending

    def _promise(
        self, decision: Decision, context: Context | None, encoded: list[EncodedEvent]
    ) -> Sequence[Caused]:
        """The effects of ``decision``, whose events are the last of ``encoded``, with their ids."""
        effects, promised = decision.effects, bool(decision.events)
        version = self._version + len(encoded)
        keys = [key_of(effect) for effect in effects]
        check_promises(self._decider, self._state, effects)
        if promised and any(keys):
            metadata = promising(encoded[-1].metadata or self._metadata, keys)
            encoded[-1] = replace(encoded[-1], metadata=metadata)
            for place, key in enumerate(keys):
                if key:
                    self._promises[key] = Promise(version, place, metadata)
            forget_old(self._decider, self._state, self._promises)
        known = self.context if context is None else context
        cause = f"{self.stream}/{version}" if promised else ""
        theirs = caused_by(known, cause, identity=self.identity)
        return [
            Caused(effect, theirs, f"{cause}/{place}" if promised else "")
            for place, effect in enumerate(effects)
        ]

    def _message_of(self, due: Due) -> Any:
        """What ``decide`` gets for a timer, :data:`PASSED` if the state waits for it no more."""
        effect = outstanding(self._decider, self._state).get(due.key)
        return effect.message if type(effect) is TimerAt and effect.due <= due.due else PASSED

    def _issue_again(self) -> None:
        """Issue what the state waits for, which was read back from the log.

        Raises:
            EventDecodeError: The context of an event that promised something is damaged.
            WrongPendingError: ``pending`` does not say what is outstanding.
        """
        if not self._waits:
            return
        again = [self._again(*item) for item in outstanding(self._decider, self._state).items()]
        self._effects.perform(cast("DurableActor", self), again)

    def _again(self, key: str, effect: Any) -> Caused:
        promise = self._promises.get(key)
        if promise is None:  # by events that an earlier version of the program wrote
            return Caused(effect, caused_by(self.context, "", identity=self.identity))
        cause = f"{self.stream}/{promise.version}"
        context = caused_by(decode_metadata(promise.metadata), cause, identity=self.identity)
        return Caused(effect, context, f"{cause}/{promise.place}")
