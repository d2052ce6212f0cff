"""What the state of a stream waits for, and which event promised it (invariant 5).

``Decider.pending`` says what is outstanding; the metadata of the event that an effect was returned
with names its key.  So an effect has the same id, and what it causes the same context, before and
after a crash.
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
"""When to wake a stream that waits for something else than a time: microseconds UTC."""

KEY_LIMIT = 200
"""Characters of an effect's key, which stands in the metadata of its event."""


class Promise(NamedTuple):
    """Where an effect was promised.

    Attributes:
        version: Of the event.
        place: Of the effect among those of its decision, from 0.
        metadata: Of the event, as stored.
        attempt: Number of a call's last attempt, which has begun or is about to.
        cut_offs: How many of its attempts were cut off.
        retry_at: When the next attempt is due, microseconds UTC; 0 while one is under way.
    """

    version: int
    place: int
    metadata: bytes
    attempt: int = 1
    cut_offs: int = 0
    retry_at: int = 0


OWN_EVENTS = frozenset(EFFECT_EVENTS)
"""Events of the engine in the streams of actors; their deciders do not see them."""

Promises = Mapping[str, Promise]

Wanted = Mapping[str, Any]
"""The effects that a state waits for, by key."""

NO_PROMISES: Promises = MappingProxyType({})


def waits(decider: Decider[Any]) -> bool:
    """Whether streams of ``decider`` wait for effects: it defines ``pending``."""
    return type(decider).pending is not Decider.pending


def key_of(effect: Any) -> str:
    """The key of an effect that a stream waits for; empty for any other."""
    key = "" if type(effect) in _NOT_AWAITED else getattr(effect, "key", "")
    return key if isinstance(key, str) else ""


_NOT_AWAITED = frozenset((CancelTimer, Reply))
"""Effects whose key is that of something else."""


def check_key(what: str, key: object) -> None:
    """Refuse a ``key`` that cannot stand in the metadata of an event; ``what`` names it.

    Raises:
        RefusedError: It is not text of 1 to 200 characters.
    """
    if not isinstance(key, str) or not 0 < len(key) <= KEY_LIMIT:
        raise RefusedError(f"{what} has 1 to {KEY_LIMIT} characters: {key!r:.80}")


def outstanding(decider: Decider[Any], state: Any) -> Wanted:
    """The effects that ``state`` waits for, by key.

    Raises:
        WrongPendingError: One has no good key, the key of another, or is none to wait for.
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
    """Status of a stream as its row has it, and when to wake it (microseconds UTC, 0 is never).

    ``unfinished`` is the same without what the state waits for.  A call whose next attempt is due
    later waits for that; one that is under way wants its actor in memory, at once.
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


def note_own(promises: dict[str, Promise], event: Any) -> None:
    """Take down what an event of the engine says of a call."""
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


def note(promises: dict[str, Promise], recorded: RecordedEvent) -> None:
    """Take down what ``recorded`` has promised."""
    for place, key in enumerate(promises_in(recorded.metadata)):
        if key:
            promises[key] = Promise(recorded.version, place, recorded.metadata)


def check_promises(decider: Decider[Any], wanted: Wanted, effects: Sequence[Any]) -> None:
    """See that the state after a decision waits for the ``effects`` that this has promised.

    Raises:
        WrongPendingError: A crash would lose one of them, or bring back one that was cancelled.
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


def check_over(decider: Decider[Any], wanted: Wanted, over: Any, effects: Sequence[Any]) -> None:
    """See that the state waits no more for ``over``, which has come back, unless asked anew.

    Raises:
        WrongPendingError: It does: it would come back again after each crash.
    """
    if over not in effects and wanted.get(over.key) == over:
        raise WrongPendingError(type(decider).__name__, f"{over!r:.80}, which has come back")


def forget_old(promises: dict[str, Promise], ask: Callable[[], Wanted]) -> None:
    """Remove from ``promises`` what the state does not wait for, now and then: keys may be many.

    Its cost is a part of what putting so many in has cost.
    """
    if len(promises) & (len(promises) - 1) or len(promises) < _FEW:
        return  # only at powers of two
    wanted = ask()
    for key in [key for key in promises if key not in wanted]:
        del promises[key]


_FEW = 64


def to_value(decider: Decider[Any], state: Any, promises: Promises) -> Any:
    """What a snapshot of ``state`` keeps: the promises that it waits for, too."""
    value = decider.snapshot(state)
    if not waits(decider):
        return value
    wanted = outstanding(decider, state)
    kept = {key: list(promises[key]) for key in wanted if key in promises}
    return {_STATE: value, _PROMISES: kept}


def from_value(decider: Decider[Any], value: Any) -> tuple[Any, Promises]:
    """The state and the promises that :func:`to_value` made ``value`` of; raises anything."""
    if not waits(decider):
        return decider.restore(value), {}
    promises = {key: Promise(*promise) for key, promise in value[_PROMISES].items()}
    return decider.restore(value[_STATE]), promises


_STATE, _PROMISES = "state", "promises"
