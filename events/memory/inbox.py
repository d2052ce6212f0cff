"""The inbox of the store in memory: for this process only, but it behaves like any other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from indelible.events.inbox.inbox import REMEMBERED, Command, InboxWatcher, InboxWatchers, Submitted
from indelible.events.inbox.late_answers import LateRows

_SLOW = 3_600.0  # seconds between polls: submit() wakes the watchers


class _StoredCommand(msgspec.Struct, gc=False):
    seq: int
    command: Command
    deadline: int
    answered_at: int = 0
    answer: bytes = b""
    awaits: str = ""  # the key of a late answer

    @property
    def unhandled(self) -> bool:
        return not self.answered_at and not self.awaits

    @property
    def awaits_answer(self) -> bool:
        return bool(self.awaits) and not self.answered_at


class MemoryInbox:
    """The inbox as a dict of rows, by message id."""

    def __init__(self, now: Callable[[], int]) -> None:
        """Start empty; ``now`` is microseconds UTC."""
        self._now = now
        self._lock = threading.Lock()
        self._rows: dict[str, _StoredCommand] = {}
        self._last = 0
        self._watchers = InboxWatchers()

    def submit(self, commands: Sequence[Command]) -> Collection[str]:
        """Store ``commands``, except those that are in the inbox already, and wake the watchers."""
        taken = self.keep(commands)
        self._watchers.wake()
        return taken

    def keep(self, commands: Sequence[Command]) -> Collection[str]:
        """Store ``commands``, except those that are in the inbox already."""
        now = self._now()
        taken = set()
        with self._lock:
            for command in commands:
                row = self._rows.get(command.message_id)
                if row is None:
                    self._last += 1
                    deadline = now + command.timeout if command.timeout else 0
                    self._rows[command.message_id] = _StoredCommand(self._last, command, deadline)
                elif _contents(row.command) != _contents(command):
                    taken.add(command.message_id)
        return taken

    def waiting(self, shards: Collection[int], limit: int) -> Sequence[int]:
        """Return the first ``limit`` sequence numbers of unhandled commands for ``shards``."""
        with self._lock:
            rows = [row for row in self._rows.values() if row.unhandled]
        return [row.seq for row in rows if row.command.shard in shards][:limit]

    def first(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """Return the first ``limit`` unhandled commands for ``shards``, in order."""
        return self.take(self.waiting(shards, limit))

    def take(self, seqs: Sequence[int]) -> Sequence[Submitted]:
        """Return the unhandled commands with these sequence numbers, in order."""
        wanted, now = set(seqs), self._now()
        with self._lock:
            rows = [row for row in self._rows.values() if row.seq in wanted and row.unhandled]
        return [Submitted(row.seq, row.command, 0 < row.deadline < now) for row in rows]

    def awaiting(self, stream: str, limit: int) -> int:
        """Return how many commands for ``stream`` wait for a late answer, counted to ``limit``."""
        return min(limit, sum(row.command.stream == stream for row in self._awaiting()))

    def abandoned(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """Return up to ``limit`` commands for ``shards`` that wait for a late answer in vain."""
        before = self._now() - REMEMBERED
        rows = [row for row in self._awaiting() if row.command.shard in shards]
        old = [row for row in rows if 0 < row.deadline < before][:limit]
        return [Submitted(row.seq, row.command, late=True) for row in old]

    def change_late(self, late: LateRows) -> None:
        """Answer commands that wait, and then note which wait from now on."""
        answers = {(stream, key): answer for stream, key, answer in late.answers()}
        for row in self._awaiting() if answers else ():
            answer = answers.get((row.command.stream, row.awaits))
            if answer is not None:
                self.answer([(row.command.message_id, answer)])
        with self._lock:
            for message_id, key in late.awaiting():
                found = self._rows.get(message_id)
                if found is not None and not found.answered_at:
                    found.awaits = key

    def _awaiting(self) -> Sequence[_StoredCommand]:
        with self._lock:
            return [row for row in self._rows.values() if row.awaits_answer]

    def astray(self, shards: int, limit: int) -> Sequence[Submitted]:  # noqa: ARG002 - there are none
        """Return no row: rows in memory cannot be damaged."""
        return ()

    def answer(self, answers: Sequence[tuple[str, bytes | None]]) -> None:
        """Store the answers, or delete the messages without one; the first answer is kept."""
        now = self._now()
        with self._lock:
            for message_id, answer in answers:
                row = self._rows.get(message_id)
                if row is None or row.answered_at:
                    continue
                if answer is None:
                    del self._rows[message_id]
                else:
                    row.answered_at, row.answer = now, answer
        self._watchers.wake()

    def set_aside(self, seq: int, answer: bytes) -> None:
        """Answer a row by its sequence number."""
        with self._lock:
            ids = [id_ for id_, row in self._rows.items() if row.seq == seq]
        self.answer([(id_, answer) for id_ in ids])

    def answers(self, message_ids: Sequence[str]) -> Mapping[str, bytes]:
        """Return the answers of the messages that have one, by message id."""
        with self._lock:
            found = [self._rows[id_] for id_ in message_ids if id_ in self._rows]
        return {row.command.message_id: row.answer for row in found if row.answered_at}

    def discard(self, message_ids: Sequence[str]) -> None:
        """Delete the answered ones of these messages: queries, which may be sent again."""
        with self._lock:
            for id_ in message_ids:
                if id_ in self._rows and self._rows[id_].answered_at:
                    del self._rows[id_]

    def forget(self, limit: int) -> int:
        """Delete up to ``limit`` messages answered more than 7 days ago, and return how many."""
        before = self._now() - REMEMBERED
        with self._lock:
            old = [id_ for id_, row in self._rows.items() if 0 < row.answered_at < before][:limit]
            for id_ in old:
                del self._rows[id_]
        return len(old)

    def watch(self, *, for_commands: bool = False) -> InboxWatcher:  # noqa: ARG002 - all are cheap here
        """Return a new watcher, which is woken at every change."""
        return self._watchers.add(lambda: False, busy=_SLOW, idle=_SLOW)


def _contents(command: Command) -> tuple[str, str, bytes]:
    return command.stream, command.kind, command.body
