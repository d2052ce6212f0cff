"""The inbox: commands from other processes, durable before anybody handles them (DESIGN §4).

A command is *submitted* when its row is committed and *answered* once; both survive a crash.  The
owner's event and the answer to the command that caused it are one transaction, so that a command
takes effect once however often it is handed over.  What an event sends to another actor is a
command, too, submitted in the transaction of that event.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.model.stream_names import is_text

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
        context: Encoded, see :mod:`indelible.events.codec.metadata`; empty if nothing was set.  The
            same command may be submitted again with another one: the first stands.
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


def check_command(command: Command) -> None:
    """Refuse what an append must not submit to the inbox: it would hurt its whole group.

    Raises:
        ValueError: A database may not take it, or an owner not read it.
    """
    named = f"the command {command.message_id!a:.80}"
    texts = command.message_id, command.stream, command.kind, command.sender
    if not all(map(is_text, texts)) or max(map(len, texts)) > TEXT_LIMIT:
        raise ValueError(f"{named}: give texts of at most {TEXT_LIMIT} characters without NUL")
    if not isinstance(command.body, bytes) or len(command.body) > COMMAND_LIMIT:
        raise ValueError(f"{named}: give a body of at most {COMMAND_LIMIT:,} bytes")
    if not isinstance(command.context, bytes) or len(command.context) > METADATA_LIMIT:
        raise ValueError(f"{named}: give a context of at most {METADATA_LIMIT:,} bytes")
    if command.timeout or not 0 <= command.shard < 2**31:
        raise ValueError(f"{named}: give the shard of its stream, and no timeout")


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


class InboxWatcher:
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


class InboxWatchers:
    """Those who wait at one inbox; any thread may add one, and wake them all."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._lock = threading.Lock()
        self._all: tuple[InboxWatcher, ...] = ()

    def add(
        self,
        changed: Callable[[], bool],
        *,
        busy: float,
        idle: float,
        end: Callable[[], object] = lambda: None,
    ) -> InboxWatcher:
        """A new one, which is woken from now on until it is closed."""

        def leave() -> None:
            with self._lock:
                self._all = tuple(one for one in self._all if one is not watcher)
            end()

        watcher = InboxWatcher(changed, busy=busy, idle=idle, end=leave)
        with self._lock:
            self._all = (*self._all, watcher)
        return watcher

    def wake(self) -> None:
        """Have them all look at once; quick, never raises."""
        for watcher in self._all:
            watcher.wake()


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

    def answer(self, answers: Sequence[tuple[str, bytes | None]]) -> None:
        """Answer each (message id, encoded answer), durably; a first answer stands.

        The answer ``None`` deletes the message: nobody will ask for it.
        """
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

    def watch(self, *, for_commands: bool = False) -> InboxWatcher:
        """A new watcher, which the caller closes; ``for_commands`` spares it everything else."""
        ...
