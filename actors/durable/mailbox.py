"""The mailbox of a durable actor: commands are bounded, results and timers are not."""

from __future__ import annotations

from typing import Protocol

from indelible.actors.runtime.mailbox import Mailbox

COMMANDS = 10_000
"""Commands that may wait for one actor: ten seconds of work at the rate of one busy stream."""


class MailboxRunner(Protocol):
    """The actor that owns a mailbox."""

    def schedule(self) -> None:
        """Have a worker thread run the actor."""
        ...


class DurableMailbox(Mailbox):
    """A mailbox that schedules its owner; any thread may put."""

    __slots__ = ("owner",)

    owner: MailboxRunner

    def __init__(self) -> None:
        """Take up to :data:`COMMANDS` commands."""
        super().__init__(COMMANDS)

    add = Mailbox.put
    """Adds a message; the caller schedules the actor."""

    def put(self, message: object) -> bool:
        """Add a message and schedule the actor; ``False`` if the actor has left memory."""
        if not self.add(message):
            return False
        if self.try_acquire():
            self.owner.schedule()
        return True

    def take_all(self) -> list[object]:
        """Remove and return all messages; the caller holds the mailbox's flag."""
        taken = []
        while len(self):
            taken.append(self.take())
        return taken
