"""The effects that a stream's state waits for, and the events that promised them (invariant 5).

``Decider.pending`` returns the outstanding effects; the metadata of the event that was decided
together with an effect holds the effect's key.  So an effect has the same id, and its messages the
same context, before and after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from indelible.actors.decider import Decider
from indelible.actors.effects.effect_types import CancelTimer, Reply, TimerAt
from indelible.errors import RefusedError, WrongPendingError
from indelible.events.codec.metadata import promises_in
from indelible.events.model.call_events import EFFECT_EVENTS, CallAttemptFailed, CallBegan
from indelible.events.model.event import RecordedEvent

AT_ONCE = 1
"""Wake time of a stream that waits for something other than a time: microseconds UTC."""

KEY_LIMIT = 200
"""Characters of an effect's key, which is stored in the metadata of its event."""


class Promise(NamedTuple):
    """The event that promised an effect, and the state of its attempts if it is a call.

    Attributes:
        version: Of the event.
        place: Of the effect among the effects of its decision, from 0.
        metadata: Of the event, as stored.
        attempt: Number of a call's last attempt, which has begun or is about to begin.
        cut_offs: How many of its attempts were cut off.
        retry_at: When the next attempt is due, microseconds UTC; 0 while one is under way.
    """

    version: int
    place: int
    metadata: bytes
    attempt: int = 1
    cut_offs: int = 0
    retry_at: int = 0


ENGINE_EVENTS = frozenset(EFFECT_EVENTS)
"""The engine's own events in the streams of actors; deciders do not see them."""

Promises = Mapping[str, Promise]

Wanted = Mapping[str, Any]
"""The effects that a state waits for, by key."""

NO_PROMISES: Promises = MappingProxyType({})


def awaits_effects(decider: Decider[Any]) -> bool:
    """Whether streams of ``decider`` may wait for effects: it defines ``pending``."""
    return type(decider).pending is not Decider.pending


def key_of(effect: Any) -> str:
    """The key of an effect that a stream may wait for; empty for other effects."""
    key = "" if type(effect) in _NOT_AWAITED else getattr(effect, "key", "")
    return key if isinstance(key, str) else ""


_NOT_AWAITED = frozenset((CancelTimer, Reply))
"""Effects whose ``key`` refers to a timer or to askers, not to themselves."""


def check_key(what: str, key: object) -> None:
    """Refuse a ``key`` that cannot be stored in an event's metadata; ``what`` names it.

    Raises:
        RefusedError: It is not text of 1 to 200 characters.
    """
    if not isinstance(key, str) or not 0 < len(key) <= KEY_LIMIT:
        raise RefusedError(f"{what} has 1 to {KEY_LIMIT} characters: {key!r:.80}")


def outstanding(decider: Decider[Any], state: Any) -> Wanted:
    """The effects that ``state`` waits for, by key.

    Raises:
        WrongPendingError: An effect has no valid key, or two have the same key.
    """
    found: dict[str, Any] = {}
    for effect in decider.pending(state):
        key = key_of(effect)
        if not key:
            raise WrongPendingError(type(decider).__name__, f"{effect!r:.80}, which has no key")
        if key in found:
            raise WrongPendingError(type(decider).__name__, f"two effects with the key {key!r:.80}")
        found[key] = effect
    return found


def row_of(unfinished: tuple[str, int], wanted: Wanted, promises: Promises) -> tuple[str, int]:
    """Status and wake time for a stream's row (microseconds UTC, 0 is never).

    ``unfinished`` is the same pair without the outstanding effects.  A call whose next attempt is
    due later sets that time; a call under way needs its actor in memory, at once.
    """
    status, wake_at = unfinished
    times = [
        effect.due if type(effect) is TimerAt else _attempt_at(promises.get(key))
        for key, effect in wanted.items()
    ]
    if wake_at:
        times.append(wake_at)
    return status, max(AT_ONCE, min(times)) if times else 0


def _attempt_at(promise: Promise | None) -> int:
    return AT_ONCE if promise is None else promise.retry_at or AT_ONCE


def apply_engine_event(promises: dict[str, Promise], event: Any) -> None:
    """Update a call's promise by an event of the engine."""
    promise = promises.get(event.key)
    if promise is None:
        return
    if type(event) is CallBegan:
        cut_offs = promise.cut_offs + event.cut_off
        promise = promise._replace(attempt=event.attempt, cut_offs=cut_offs, retry_at=0)
    elif type(event) is CallAttemptFailed:
        promise = promise._replace(retry_at=max(AT_ONCE, event.retry_at))
    else:
        promise = promise._replace(attempt=event.attempt - 1, retry_at=max(AT_ONCE, event.at))
    promises[event.key] = promise


def note_promises(promises: dict[str, Promise], recorded: RecordedEvent) -> None:
    """Add the promises that ``recorded`` has made."""
    for place, key in enumerate(promises_in(recorded.metadata)):
        if key:
            promises[key] = Promise(recorded.version, place, recorded.metadata)


def check_promises(decider: Decider[Any], wanted: Wanted, effects: Sequence[Any]) -> None:
    """Check that the state after a decision waits for the ``effects`` that the decision promised.

    Raises:
        WrongPendingError: After a crash an effect would be lost, or a cancelled timer be set again.
    """
    for effect in effects:
        key = key_of(effect)
        if key and wanted.get(key) != effect:
            words = f"{wanted.get(key)!r:.80} where decide() said {effect!r:.80}"
        elif type(effect) is CancelTimer and effect.key in wanted:
            words = f"{wanted[effect.key]!r:.80}, which decide() has cancelled"
        else:
            continue
        raise WrongPendingError(type(decider).__name__, words)


def check_ended(
    decider: Decider[Any], wanted: Wanted, ended_effect: Any, effects: Sequence[Any]
) -> None:
    """Check that the state waits no more for ``ended_effect``, unless it is issued anew.

    Raises:
        WrongPendingError: It still waits: the effect would be performed again after each crash.
    """
    if ended_effect not in effects and wanted.get(ended_effect.key) == ended_effect:
        raise WrongPendingError(type(decider).__name__, f"{ended_effect!r:.80}, which has ended")


def forget_old(promises: dict[str, Promise], ask: Callable[[], Wanted]) -> None:
    """Now and then, remove ``promises`` that the state does not wait for: there may be many keys.

    It runs when their number is a power of two, so its cost is a fraction of adding them.
    """
    if len(promises) & (len(promises) - 1) or len(promises) < _MIN_PRUNED:
        return
    wanted = ask()
    for key in [key for key in promises if key not in wanted]:
        del promises[key]


_MIN_PRUNED = 64


def to_value(decider: Decider[Any], state: Any, promises: Promises) -> Any:
    """The value that a snapshot stores: ``state`` and its outstanding promises."""
    value = decider.snapshot(state)
    if not awaits_effects(decider):
        return value
    wanted = outstanding(decider, state)
    kept = {key: list(promises[key]) for key in wanted if key in promises}
    return {_STATE: value, _PROMISES: kept}


def from_value(decider: Decider[Any], value: Any) -> tuple[Any, Promises]:
    """The state and promises from which :func:`to_value` made ``value``; may raise anything."""
    if not awaits_effects(decider):
        return decider.restore(value), {}
    promises = {key: Promise(*promise) for key, promise in value[_PROMISES].items()}
    return decider.restore(value[_STATE]), promises


_STATE, _PROMISES = "state", "promises"
