"""Performs what users' own actors tell each other."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.effects import Caused, Tell
from indelible.checks import check_id
from indelible.errors import IndelibleError, RefusedError
from indelible.events.context import Context


class Teller:
    """Sends messages to other actors."""

    def __init__(
        self, tell: Callable[[str, Any, Context], None], categories: Collection[str]
    ) -> None:
        """Send through ``tell``, to actors of ``categories``."""
        self._tell = tell
        self._categories = categories

    def check(self, effect: Tell) -> None:
        """See that there can be such an actor.

        Raises:
            RefusedError: There cannot.
        """
        if effect.category not in self._categories:
            known = ", ".join(sorted(self._categories))
            raise RefusedError(f"there is no actor category {effect.category!r}; known are {known}")
        check_id("actor id", effect.id)

    def perform(self, actor: DurableActor, caused: Caused) -> None:
        """Send a :class:`Tell`; what is not taken is seen as a dead letter."""
        effect: Tell = caused.effect
        try:
            self._tell(f"{effect.category}-{effect.id}", effect.message, caused.context)
        except IndelibleError as error:
            actor.bury(effect.message, str(error))
