"""Performs the effects of users' own actors: messages to other actors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.effects import Caused, Tell
from indelible.checks import check_id
from indelible.errors import IndelibleError, RefusedError
from indelible.events.context import Context
from indelible.events.event import Event

logger = logging.getLogger("indelible.actors")


class Teller:
    """The effect handler of every category but ``run``."""

    wants_causes: ClassVar[bool] = True

    def __init__(
        self, tell: Callable[[str, Any, Context], None], categories: Collection[str]
    ) -> None:
        """Send through ``tell``, to actors of ``categories``."""
        self._tell = tell
        self._categories = categories

    def perform(self, actor: DurableActor, effects: Sequence[Caused]) -> None:
        """Send every :class:`Tell`; what is refused is logged, and seen as a dead letter."""
        for effect, context in effects:
            if not isinstance(effect, Tell):
                logger.error(
                    "%s returned an effect that is no Tell: %r", actor, type(effect).__name__
                )
                continue
            try:
                if effect.category not in self._categories:
                    raise RefusedError(f"there is no actor category {effect.category!r}")
                check_id("actor id", effect.id)
                self._tell(f"{effect.category}-{effect.id}", effect.message, context)
            except IndelibleError as error:
                actor.bury(effect.message, str(error))

    def resumption(self, _actor: DurableActor, _state: Any, _own: Sequence[Event]) -> None:
        """Users' actors go on when the next message comes."""
        return

    def set_aside(self, actor: DurableActor, why: BaseException) -> None:
        """Who asks it hears of it; nobody else waits."""
