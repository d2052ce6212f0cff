"""The port of effects: one table a system says who performs an effect, by its type.

What ``decide`` returns is looked at before anything is stored, and performed after the commit.
One that fails touches no other effect, reply or snapshot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from indelible.actors.decider import Decision
from indelible.actors.effects.effect_types import Caused
from indelible.errors import EffectWithoutEventError, UnknownEffectError
from indelible.events.inbox.inbox import Command

if TYPE_CHECKING:
    from indelible.actors.durable.actor import DurableActor

logger = logging.getLogger("indelible.actors")

Perform = Callable[["DurableActor", Any], object]
"""Acts on an effect, or on a :class:`Caused` one, on the thread that led the commit: quickly."""

Check = Callable[[Any], object]
"""Raises what the asker is to get, if an effect cannot be performed."""

Row = Callable[[Caused], Command | None]
"""What the inbox is to hold of an effect; raises what the asker is to get if it cannot.

``None`` if it is performed after the commit instead.
"""


class EffectPort:
    """Who performs which effect; filled before the system opens, then read by any thread."""

    def __init__(self) -> None:
        """Perform nothing yet."""
        self._performers: dict[type, Perform] = {Caused: self._perform_caused}
        self._checks: dict[type, Check] = {}
        self._of_actors: dict[type, Perform] = {}
        self._rows: dict[type, Row] = {}
        self._following: set[type] = set()  # returned with an event only

    def engine(self, performers: Mapping[type, Perform]) -> None:
        """Perform effects of the engine's own deciders, which nobody needs to check."""
        self._performers.update(performers)

    def register(
        self, kind: type, check: Check, perform: Perform, *, follows: bool = False
    ) -> None:
        """Perform effects of type ``kind`` of users' actors; ``perform`` gets them as caused.

        Those that must have an id ``follow`` from an event.
        """
        self._checks[kind] = check
        self._of_actors[kind] = perform
        if follows:
            self._following.add(kind)

    def send(self, kind: type, check: Check, row: Row, perform: Perform | None = None) -> None:
        """Have effects of type ``kind`` be rows of the inbox, stored with their events.

        ``perform`` gets those of which there is no row.
        """
        if perform is not None:
            self._of_actors[kind] = perform
        self._checks[kind] = check
        self._rows[kind] = row
        self._following.add(kind)

    def check(self, decider: object, decision: Decision) -> None:
        """See that somebody performs each effect of ``decision``, which ``decider`` made.

        Raises:
            UnknownEffectError: There is no one for an effect of that type.
            EffectWithoutEventError: There is no event that one could be stored with.
            RefusedError: One of them cannot be performed.
        """
        for effect in decision.effects:
            kind = type(effect)
            check = self._checks.get(kind)
            if check is None:
                known = [kind.__name__ for kind in self._checks]
                raise UnknownEffectError(type(decider).__name__, kind.__name__, known)
            if not decision.events and kind in self._following:
                raise EffectWithoutEventError(type(decider).__name__, kind.__name__)
            check(effect)

    def sort(self, caused: Sequence[Caused], commands: list[Command], effects: list[Any]) -> None:
        """Add to ``commands`` what is stored with the events, to ``effects`` everything else."""
        for one in caused:
            row = self._rows.get(type(one.effect))
            command = None if row is None else row(one)
            if command is None:
                effects.append(one)
            else:
                commands.append(command)

    def perform(self, actor: DurableActor, effects: Sequence[Any]) -> None:
        """Act on ``effects``, whose events are durable; never raises."""
        performers = self._performers
        for effect in effects:
            try:
                performers[type(effect)](actor, effect)
            except BaseException:
                kind = type(effect.effect if type(effect) is Caused else effect)
                logger.exception("an effect of %s failed: %r", actor, kind.__name__)

    def _perform_caused(self, actor: DurableActor, caused: Caused) -> None:
        self._of_actors[type(caused.effect)](actor, caused)
