"""The port of effects: a table for each system that maps an effect's type to its performer.

Effects are checked before anything is stored, and performed after the commit.  An effect that
fails does not disturb other effects, replies or snapshots.
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
"""Performs an effect (as :class:`Caused`) on the thread that led the commit; must be quick."""

Check = Callable[[Any], object]
"""Raises the error for the asker if an effect cannot be performed."""

Row = Callable[[Caused], Command | None]
"""Makes the inbox row of an effect; raises the error for the asker if it cannot.

``None`` if the effect is performed after the commit instead.
"""


class EffectPort:
    """The performers of effects; filled before the system opens, then read by any thread."""

    def __init__(self) -> None:
        """Start without performers."""
        self._performers: dict[type, Perform] = {Caused: self._perform_caused}
        self._checks: dict[type, Check] = {}
        self._performers_of_actors: dict[type, Perform] = {}
        self._rows: dict[type, Row] = {}
        self._need_event: set[type] = set()  # allowed only together with an event

    def register_builtin(self, performers: Mapping[type, Perform]) -> None:
        """Add performers for effects of the engine's own deciders, which need no check."""
        self._performers.update(performers)

    def register(
        self, kind: type, check: Check, perform: Perform, *, needs_event: bool = False
    ) -> None:
        """Add a performer for effects of type ``kind`` of users' actors, as :class:`Caused`.

        With ``needs_event`` its decision must have an event, which gives the effect its id.
        """
        self._checks[kind] = check
        self._performers_of_actors[kind] = perform
        if needs_event:
            self._need_event.add(kind)

    def register_row(
        self, kind: type, check: Check, row: Row, perform: Perform | None = None
    ) -> None:
        """Store effects of type ``kind`` as rows of the inbox, together with their events.

        ``perform`` gets the effects for which ``row`` makes no row.
        """
        if perform is not None:
            self._performers_of_actors[kind] = perform
        self._checks[kind] = check
        self._rows[kind] = row
        self._need_event.add(kind)

    def check(self, decider: object, decision: Decision) -> None:
        """Check that each effect of ``decision``, made by ``decider``, can be performed.

        Raises:
            UnknownEffectError: An effect's type has no performer.
            EffectWithoutEventError: An effect needs an event, and the decision has none.
            RefusedError: An effect cannot be performed.
        """
        for effect in decision.effects:
            kind = type(effect)
            check = self._checks.get(kind)
            if check is None:
                known = [kind.__name__ for kind in self._checks]
                raise UnknownEffectError(type(decider).__name__, kind.__name__, known)
            if not decision.events and kind in self._need_event:
                raise EffectWithoutEventError(type(decider).__name__, kind.__name__)
            check(effect)

    def sort(self, caused: Sequence[Caused], commands: list[Command], effects: list[Any]) -> None:
        """Add effects that have an inbox row to ``commands``, and all others to ``effects``."""
        for one in caused:
            row = self._rows.get(type(one.effect))
            command = None if row is None else row(one)
            if command is None:
                effects.append(one)
            else:
                commands.append(command)

    def perform(self, actor: DurableActor, effects: Sequence[Any]) -> None:
        """Perform ``effects``, whose events are durable; never raises."""
        performers = self._performers
        for effect in effects:
            try:
                performers[type(effect)](actor, effect)
            except BaseException:
                kind = type(effect.effect if type(effect) is Caused else effect)
                logger.exception("an effect of %s failed: %r", actor, kind.__name__)

    def _perform_caused(self, actor: DurableActor, caused: Caused) -> None:
        self._performers_of_actors[type(caused.effect)](actor, caused)
