"""The process that owns a store and one that is its client, played by two systems."""

from __future__ import annotations

from contextlib import ExitStack

from indelible import ActorSystem
from unit.inbox.counters import Counter, note, refuse


class Pair:
    """Two systems on one store; closed until :meth:`open`."""

    def __init__(self, url: str, then: ExitStack) -> None:
        self._then = then
        self.url = url
        self.owner = ActorSystem(self.url, actors=[Counter()], steps=[note, refuse], drain=2)
        self.client = ActorSystem(self.url, mode="client", actors=[Counter()])

    def open(self) -> None:
        self._then.enter_context(self.owner)
        self._then.enter_context(self.client)
