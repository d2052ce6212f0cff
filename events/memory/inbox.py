"""The inbox of the store in memory; nobody else can reach it, but it behaves like any other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from indelible.events.inbox.inbox import REMEMBERED, Command, InboxWatcher, InboxWatchers, Submitted

_SLOW = 3_600.0  # seconds between looks: whoever submits wakes the watchers


class _StoredCommand(msgspec.Struct, gc=False):
    seq: int
    command: Command
    deadline: int
    answered_at: int = 0
    answer: bytes = b""


class MemoryInbox:
    """Rows in a dict."""

    def __init__(self, now: Callable[[], int]) -> None:
        """Start empty; ``now`` is microseconds UTC."""
        self._now = now
        self._lock = threading.Lock()
        self._rows: dict[str, _StoredCommand] = {}
        self._last = 0
        self._watchers = InboxWatchers()

    def submit(self, commands: Sequence[Command]) -> Collection[str]:
        """Keep ``commands``, those that are there already excepted, and wake who watches."""
        taken = self.keep(commands)
        self._watchers.wake()
        return taken

    def keep(self, commands: Sequence[Command]) -> Collection[str]:
        """Keep ``commands``, those that are there already excepted."""
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
        """The first ``limit`` sequence numbers of commands for ``shards`` without an answer."""
        with self._lock:
            rows = [row for row in self._rows.values() if not row.answered_at]
        return [row.seq for row in rows if row.command.shard in shards][:limit]

    def first(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """The first ``limit`` commands for ``shards`` without an answer, in order."""
        return self.take(self.waiting(shards, limit))

    def take(self, seqs: Sequence[int]) -> Sequence[Submitted]:
        """Those of ``seqs`` that have no answer, in order."""
        wanted, now = set(seqs), self._now()
        with self._lock:
            rows = [r for r in self._rows.values() if r.seq in wanted and not r.answered_at]
        return [Submitted(row.seq, row.command, 0 < row.deadline < now) for row in rows]

    def astray(self, shards: int, limit: int) -> Sequence[Submitted]:  # noqa: ARG002 - there are none
        """None: nothing damages what is in memory."""
        return ()

    def answer(self, answers: Sequence[tuple[str, bytes | None]]) -> None:
        """Answer each (message id, encoded answer), or delete it; a first answer stands."""
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
        """Answer a row by its number."""
        with self._lock:
            ids = [one for one, row in self._rows.items() if row.seq == seq]
        self.answer([(one, answer) for one in ids])

    def answers(self, message_ids: Sequence[str]) -> Mapping[str, bytes]:
        """The answers of those that have one."""
        with self._lock:
            found = [self._rows[one] for one in message_ids if one in self._rows]
        return {row.command.message_id: row.answer for row in found if row.answered_at}

    def discard(self, message_ids: Sequence[str]) -> None:
        """Delete those that are answered: queries, which may be asked twice."""
        with self._lock:
            for one in message_ids:
                if one in self._rows and self._rows[one].answered_at:
                    del self._rows[one]

    def forget(self, limit: int) -> int:
        """Delete up to ``limit`` that were answered more than 7 days ago; how many there were."""
        before = self._now() - REMEMBERED
        with self._lock:
            old = [one for one, row in self._rows.items() if 0 < row.answered_at < before][:limit]
            for one in old:
                del self._rows[one]
        return len(old)

    def watch(self, *, for_commands: bool = False) -> InboxWatcher:  # noqa: ARG002 - all are cheap here
        """A new watcher, which is woken at every change."""
        return self._watchers.add(lambda: False, busy=_SLOW, idle=_SLOW)


def _contents(command: Command) -> tuple[str, str, bytes]:
    return command.stream, command.kind, command.body
