"""The inbox: commands from other processes, durable before anybody handles them (DESIGN §4).

A command is *submitted* when its row is committed and *answered* once; both survive a crash.  The
owner's event and the answer to the command that caused it are one transaction, so that a command
takes effect once however often it is handed over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

COMMAND_LIMIT = 4 * 1024 * 1024
"""Bytes of a command's body: a definition and an input of 1 MiB each, and room."""

TEXT_LIMIT = 1_000
"""Characters of an id, a name, or a sender: the longest that is sent has some 260."""

ANSWER_LIMIT = 128 * 1024 * 1024
"""Bytes of an answer: a value of 64 MiB at most, and what it is wrapped in."""

REMEMBERED = 7 * 24 * 3_600 * 1_000_000
"""Microseconds for which the id of an answered message is remembered: a week's holiday of a peer
that retries."""


class Command(msgspec.Struct, frozen=True, gc=False):
    """What one process asks of the owner of a stream.

    Attributes:
        message_id: The same id is the same command, whoever submits it again.
        shard: Of ``stream``.
        stream: Whose actor is to handle it.
        kind: Wire name of what ``body`` holds.
        body: Encoded; nothing in it is executed.
        sender: The process, for people.
        timeout: Microseconds from its submission in which it may be handled; 0 is for ever.
        context: Encoded, see :mod:`indelible.events.metadata`; empty if nothing was set.  The same
            command may be submitted again with another one: the first stands.
    """

    message_id: str
    shard: int
    stream: str
    kind: str
    body: bytes
    sender: str
    timeout: int = 0
    context: bytes = b""


NO_COMMAND = Command("", -1, "", "", b"", "")
"""Stands for one that cannot be read."""


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """A command as the owner finds it.

    Attributes:
        seq: Order of submission; of two that were submitted at once either may come first.
        command: What is asked.
        late: Whether its time is over; it must not be handled any more.
        damage: What is wrong with its row, of which ``command`` holds nothing then; else empty.
    """

    seq: int
    command: Command
    late: bool
    damage: str = ""


class Watcher:
    """Waits until there may be something new in an inbox; one thread waits, any may wake it.

    Attributes:
        busy: Seconds between looks while commands come.
        idle: Seconds between looks when none has come for a while.
    """

    def __init__(
        self,
        changed: Callable[[], bool],
        *,
        busy: float,
        idle: float,
        end: Callable[[], object] = lambda: None,
    ) -> None:
        """``changed`` is asked by the waiting thread; ``end`` gives back what it needs."""
        self.busy = busy
        self.idle = idle
        self._changed = changed
        self._end = end
        self._woken = threading.Event()

    def wait(self, seconds: float | None) -> bool:
        """Wait for :meth:`wake`, at most ``seconds``, or for ever; whether to look."""
        woken = self._woken.wait(seconds)
        if woken:  # else a wake() at this very moment would be lost
            self._woken.clear()
        return self._changed() or woken

    def wake(self) -> None:
        """Have the waiting thread look at once."""
        self._woken.set()

    def close(self) -> None:
        """Give back what is held; by the waiting thread, which will not wait again."""
        self._end()


class Inbox(Protocol):
    """Commands of one store; every method may be called from any thread, and blocks.

    Each raises :class:`~indelible.errors.StoreUnavailableError` when the database fails: whether
    it has happened is then unknown, and doing it again is harmless.
    """

    def submit(self, commands: Sequence[Command]) -> Collection[str]:
        """Make ``commands`` durable, those that are there already excepted.

        Returns:
            The ids among them that belong to a command of other contents; these were not taken.
        """
        ...

    def waiting(self, shards: Collection[int], limit: int) -> Sequence[int]:
        """The first ``limit`` sequence numbers of commands for ``shards`` without an answer."""
        ...

    def first(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """The first ``limit`` commands for ``shards`` without an answer, in order."""
        ...

    def take(self, seqs: Sequence[int]) -> Sequence[Submitted]:
        """Those of ``seqs`` that have no answer, in order."""
        ...

    def astray(self, shards: int, limit: int) -> Sequence[Submitted]:
        """Up to ``limit`` rows that a look for none of the ``shards`` finds, and no asker either.

        Damage alone makes such rows; they are for setting aside.
        """
        ...

    def answer(self, answers: Sequence[tuple[str, bytes]]) -> None:
        """Answer each (message id, encoded answer), durably; a first answer stands."""
        ...

    def set_aside(self, seq: int, answer: bytes) -> None:
        """Answer a row that holds no command, durably, so that it waits no more.

        One that was answered at no time there can be keeps its answer, if it has one.
        """
        ...

    def answers(self, message_ids: Sequence[str]) -> Mapping[str, bytes]:
        """The answers of those that have one."""
        ...

    def discard(self, message_ids: Sequence[str]) -> None:
        """Delete those that are answered: queries, which may be asked twice."""
        ...

    def forget(self, limit: int) -> int:
        """Delete up to ``limit`` that were answered more than 7 days ago; how many there were."""
        ...

    def watch(self, *, for_commands: bool = False) -> Watcher:
        """A new watcher, which the caller closes; ``for_commands`` spares it everything else."""
        ...
