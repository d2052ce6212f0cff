"""Tests of deciders: given events, when a message, then events, effects, a reply or a refusal.

They need no system, store or thread; the checks of a system are made here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Generic

from indelible.actors.decider import Decider, Decision, R, S, fold, takes_context
from indelible.actors.durable.commit.decision_check import wrong_decision
from indelible.actors.durable.commit.late_replies import check_reply_key
from indelible.actors.durable.commit.promises import (
    awaits_effects,
    check_promises,
    key_of,
    outstanding,
)
from indelible.actors.effects.effect_types import Later, Reply
from indelible.errors import RefusedError
from indelible.events.model.event import Event
from indelible.events.model.event_types import EventTypes
from indelible.events.model.message_context import MessageContext

_ID = bytes(16)
_ANY = object()


def given(decider: Decider[S, R], *events: Event) -> Given[S, R]:
    """An actor of ``decider`` with ``events`` in its stream.

    ``given(Account(), Deposited(5)).when(7, principal="ada").then([Deposited(7)], reply=12)``
    """
    return Given(decider, events)


class Given(Generic[S, R]):
    """A decider and the events of a stream.

    Attributes:
        events: All events of the stream.
        reply: The reply to the last message.
        effects: The effects of the last decision.
        refusal: The refusal of the last message, or ``None``.
    """

    def __init__(self, decider: Decider[S, R], events: Iterable[Event]) -> None:
        """Begin with ``events`` and no message."""
        self._decider = decider
        self._types = EventTypes(decider.event_types)
        self.events: list[Event] = []
        self._new: Sequence[Event] = ()
        self.reply: Any = None
        self.effects: Sequence[Any] = ()
        self._awaited: dict[str, None] = {}
        self.refusal: RefusedError | None = None
        self._append(events)

    @property
    def state(self) -> S:
        """The fold of the events, computed on each access."""
        return fold(self._decider, self._decider.initial_state(), self.events)

    @property
    def pending(self) -> Sequence[Any]:
        """The effects whose results the state waits for."""
        return list(outstanding(self._decider, self.state).values())

    @property
    def awaited(self) -> Sequence[str]:
        """The keys of the ``Later`` replies for which no decision has returned a ``Reply`` yet."""
        return list(self._awaited)

    def when(self, message: Any, **context: Any) -> Given[S, R]:
        """Have the actor handle ``message``; ``context`` has fields such as ``now``, ``principal``.

        Raises:
            WrongDecisionError: ``decide`` returned something else than a decision.
            WrongPendingError: ``pending`` does not agree with the effects of the decision.
            ValueNotStorableError: An event cannot be stored.
            AssertionError: ``decide`` has changed the state.
        """
        decider, state = self._decider, self.state
        more = [MessageContext(**context)] if takes_context(decider) else []
        self._new, self.reply, self.effects, self.refusal = (), None, (), None
        made: Any = ()
        try:
            made = decider.decide(state, message, *more)
            decision = made if type(made) is Decision else Decision(tuple(made))
            self._note_late(decision)
        except RefusedError as refusal:
            self.refusal = refusal
        except TypeError as error:
            raise wrong_decision(decider, made) or error from error
        else:
            assert state == self.state, f"{type(decider).__name__}.decide() has changed the state"
            self._new, self.reply, self.effects = decision.events, decision.reply, decision.effects
            self._append(decision.events)
            if awaits_effects(decider) or any(map(key_of, decision.effects)):
                check_promises(decider, outstanding(decider, self.state), decision.effects)
        return self

    def _note_late(self, decision: Decision) -> None:
        """Note the keys for which askers wait after ``decision``."""
        later = decision.reply
        if type(later) is Later:
            check_reply_key("the key of a Later", later.key)
        replies = [effect for effect in decision.effects if type(effect) is Reply]
        for reply in replies:
            check_reply_key("the key of a Reply", reply.key)
        if type(later) is Later:
            self._awaited[later.key] = None
        for reply in replies:
            self._awaited.pop(reply.key, None)

    def then(
        self,
        events: Sequence[Event] | None = None,
        *,
        reply: Any = _ANY,
        effects: Sequence[Any] | None = None,
    ) -> Given[S, R]:
        """Assert the result of the last message; an argument that you leave out is not checked.

        Raises:
            AssertionError: The result is different.
        """
        assert self.refusal is None, f"refused: {self.refusal}"
        assert events is None or list(self._new) == list(events), f"events: {list(self._new)}"
        assert reply is _ANY or self.reply == reply, f"reply: {self.reply!r}"
        assert effects is None or list(self.effects) == list(effects), f"effects: {self.effects}"
        return self

    def refused(self, words: str = "") -> Given[S, R]:
        """Assert that the last message was refused, with ``words`` in the reason.

        Raises:
            AssertionError: The message was not refused, or for another reason.
        """
        assert self.refusal is not None, f"not refused: it led to {list(self._new)}"
        assert words in str(self.refusal), f"refused otherwise: {self.refusal}"
        return self

    def _append(self, events: Iterable[Event]) -> None:
        for event in events:
            encoded = self._types.encode(event, _ID)
            self.events.append(
                self._types.decode_payload(encoded.type, encoded.schema, encoded.payload)
            )
