"""The inbox: commands of other processes, durable before an actor handles them (DESIGN §4).

A command is *submitted* when its row is committed and *answered* once; both survive a crash.  The
owner's event and the answer to the command that caused it are one transaction, so that a command
takes effect once, however often it is delivered.  A message from one actor to another is a command
too, submitted in the transaction of the event that sends it.

A command may be *handled* before it is answered: then it waits for a late answer, see
:mod:`indelible.events.inbox.late_answers`, and is not delivered again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.model.stream_names import is_text

COMMAND_LIMIT = 4 * 1024 * 1024
"""Bytes of a command's body: a definition and an input of 1 MiB each, and reserve."""

TEXT_LIMIT = 1_000
"""Characters of an id, a name, or a sender: the longest has some 260."""

ANSWER_LIMIT = 128 * 1024 * 1024
"""Bytes of an answer: a value of 64 MiB at most, and its envelope."""

REMEMBERED = 7 * 24 * 3_600 * 1_000_000
"""Microseconds for which the id of an answered message is remembered: a sender may retry after a
week."""


class Command(msgspec.Struct, frozen=True, gc=False):
    """A request of one process to the owner of a stream.

    Attributes:
        message_id: The same id is the same command, also when another process submits it again.
        shard: The shard of ``stream``.
        stream: The stream of the actor that handles the command.
        kind: Wire name of the message in ``body``.
        body: Encoded; nothing in it is executed.
        sender: The sending process, for people to read.
        timeout: Microseconds after its submission in which it may be handled; 0 is no limit.
        context: Encoded, see :mod:`indelible.events.codec.metadata`; empty if nothing is set.  If
            the command is submitted again with another context, the first one is kept.
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
"""Replaces a command that cannot be read."""


def check_command(command: Command) -> None:
    """Refuse a command for which the database would refuse the append and its whole group.

    Raises:
        ValueError: A database could refuse the command, or its owner could not read it.
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
    """A command as the owner reads it.

    Attributes:
        seq: Order of submission; two commands submitted at once may have either order.
        command: The command, or :data:`NO_COMMAND` if its row is damaged.
        late: Whether its timeout is over; then it must not be handled.
        damage: The damage of its row, as text; else empty.
    """

    seq: int
    command: Command
    late: bool
    damage: str = ""


class InboxWatcher:
    """Waits until an inbox may have changed; one thread waits, any thread may wake it.

    Attributes:
        busy: Seconds between polls while commands arrive.
        idle: Seconds between polls when none has arrived for a while.
    """

    def __init__(
        self,
        changed: Callable[[], bool],
        *,
        busy: float,
        idle: float,
        end: Callable[[], object] = lambda: None,
    ) -> None:
        """``changed`` is called on the waiting thread; ``end`` frees its resources."""
        self.busy = busy
        self.idle = idle
        self._changed = changed
        self._end = end
        self._woken = threading.Event()

    def wait(self, seconds: float | None) -> bool:
        """Wait for :meth:`wake`, at most ``seconds``; return whether to read the inbox."""
        woken = self._woken.wait(seconds)
        if woken:  # clearing it after a timeout could lose a wake() of this moment
            self._woken.clear()
        return self._changed() or woken

    def wake(self) -> None:
        """Have the waiting thread read at once."""
        self._woken.set()

    def close(self) -> None:
        """Free the resources; called by the waiting thread, which will not wait again."""
        self._end()


class InboxWatchers:
    """The watchers of one inbox; any thread may add one, and wake them all."""

    def __init__(self) -> None:
        """Start without a watcher."""
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
        """Add a new watcher, which :meth:`wake` wakes until it is closed."""

        def leave() -> None:
            with self._lock:
                self._all = tuple(one for one in self._all if one is not watcher)
            end()

        watcher = InboxWatcher(changed, busy=busy, idle=idle, end=leave)
        with self._lock:
            self._all = (*self._all, watcher)
        return watcher

    def wake(self) -> None:
        """Wake all watchers; quick, never raises."""
        for watcher in self._all:
            watcher.wake()


class Inbox(Protocol):
    """The commands of one store; its methods are for any thread, and block.

    Each raises :class:`~indelible.errors.StoreUnavailableError` if the database fails: its outcome
    is unknown then, and it can safely be called again.
    """

    def submit(self, commands: Sequence[Command]) -> Collection[str]:
        """Make ``commands`` durable, except those that are in the inbox already.

        Returns:
            The ids that already belong to a different command; their commands were not submitted.
        """
        ...

    def waiting(self, shards: Collection[int], limit: int) -> Sequence[int]:
        """Return the first ``limit`` sequence numbers of unhandled commands for ``shards``."""
        ...

    def first(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """Return the first ``limit`` unhandled commands for ``shards``, in order."""
        ...

    def take(self, seqs: Sequence[int]) -> Sequence[Submitted]:
        """Return the unhandled commands with these sequence numbers, in order."""
        ...

    def awaiting(self, stream: str, limit: int) -> int:
        """Return how many commands for ``stream`` wait for a late answer, counted to ``limit``."""
        ...

    def abandoned(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """Return up to ``limit`` commands for ``shards`` that wait for a late answer in vain.

        Their time-out was more than 7 days ago; the caller answers them.
        """
        ...

    def astray(self, shards: int, limit: int) -> Sequence[Submitted]:
        """Return up to ``limit`` rows that neither an owner of a shard nor a sender can find.

        Only damage makes such rows; the caller sets them aside.
        """
        ...

    def answer(self, answers: Sequence[tuple[str, bytes | None]]) -> None:
        """Store the answers, (message id, encoded answer), durably; the first answer is kept.

        The answer ``None`` deletes the message: its sender does not wait for an answer.
        """
        ...

    def set_aside(self, seq: int, answer: bytes) -> None:
        """Answer a damaged row, durably, so that it is not read again.

        A row with an impossible time of its answer keeps the answer, if it has one.
        """
        ...

    def answers(self, message_ids: Sequence[str]) -> Mapping[str, bytes]:
        """Return the answers of the messages that have one, by message id."""
        ...

    def discard(self, message_ids: Sequence[str]) -> None:
        """Delete the answered ones of these messages: queries, which may be sent again."""
        ...

    def forget(self, limit: int) -> int:
        """Delete up to ``limit`` messages answered more than 7 days ago, and return how many."""
        ...

    def watch(self, *, for_commands: bool = False) -> InboxWatcher:
        """Return a new watcher, which the caller closes; ``for_commands`` ignores answers."""
        ...
