"""The inbox as a table, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from indelible.errors import StoreCorruptError
from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.inbox.inbox import (
    ANSWER_LIMIT,
    COMMAND_LIMIT,
    NO_COMMAND,
    REMEMBERED,
    TEXT_LIMIT,
    Command,
    InboxWatcher,
    Submitted,
)

INBOX = sa.table(
    "inbox",
    *(
        sa.column("seq", sa.BigInteger),
        sa.column("message_id", sa.Text),
        sa.column("shard", sa.Integer),
        sa.column("stream", sa.Text),
        sa.column("kind", sa.Text),
        sa.column("body", sa.LargeBinary),
        sa.column("sender", sa.Text),
        sa.column("submitted_at", sa.BigInteger),
        sa.column("deadline", sa.BigInteger),
        sa.column("answered_at", sa.BigInteger),
        sa.column("answer", sa.LargeBinary),
        sa.column("context", sa.LargeBinary),
    ),
)

_IN = 500
"""Ids of one statement: a few kilobytes of SQL, far below any database's limit."""

Begin = Callable[[], AbstractContextManager[sa.Connection]]
"""Gives a connection in a transaction that commits at the end of the block, or rolls back."""

Now = sa.ColumnElement[int]
"""The one clock that all processes of a database share, as SQL: microseconds UTC."""


class SqlInbox:
    """Reads and writes the table; the store says how to reach it.

    No clock of a process decides about a deadline on a database that has one of its own.
    """

    def __init__(
        self, *, write: Begin, read: Begin, now: Now, watch: Callable[[bool], InboxWatcher]
    ) -> None:
        """Touch nothing yet; ``write`` begins transactions at full durability."""
        self._write = write
        self._read = read
        self._now = now
        self._watch = watch
        commands = _commands(now)  # made once: making it costs more than asking
        self._first = commands.where(_OF_SHARDS).limit(sa.bindparam("most", type_=sa.Integer))
        self._given = commands.where(INBOX.c.seq.in_(sa.bindparam("seqs", expanding=True)))

    def watch(self, *, for_commands: bool = False) -> InboxWatcher:
        """A new watcher, which the caller closes; ``for_commands`` spares it everything else."""
        return self._watch(for_commands)

    def submit(self, commands: Sequence[Command]) -> Collection[str]:
        """Make ``commands`` durable, those that are there already excepted."""
        rows = [
            {
                "message_id": command.message_id,
                "shard": command.shard,
                "stream": command.stream,
                "kind": command.kind,
                "body": command.body,
                "sender": command.sender,
                "timeout": command.timeout,
                "context": command.context,
            }
            for command in commands
        ]
        with self._write() as connection:
            added = connection.execute(self._insert(connection.dialect.name), rows).rowcount
            if added == len(rows):
                return ()
            return _taken(connection, commands)

    def waiting(self, shards: Collection[int], limit: int) -> Sequence[int]:
        """The first ``limit`` sequence numbers of commands for ``shards`` without an answer."""
        if not shards:
            return ()
        which = {"shards": sorted(shards), "most": limit}
        with self._read() as connection:
            return list(connection.execute(_WAITING, which).scalars())

    def first(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """The first ``limit`` commands for ``shards`` without an answer, in order."""
        try:
            with self._read() as connection:
                which = {"shards": sorted(shards), "most": limit}
                return _submitted(connection, self._first, which)
        except StoreCorruptError:
            return self._one_by_one(self.waiting(shards, limit))

    def take(self, seqs: Sequence[int]) -> Sequence[Submitted]:
        """Those of ``seqs`` that have no answer, in order."""
        found: list[Submitted] = []
        try:
            with self._read() as connection:
                for part in _parts(seqs):
                    found += _submitted(connection, self._given, {"seqs": part})
        except StoreCorruptError as error:
            if len(seqs) == 1:
                return [Submitted(seqs[0], NO_COMMAND, late=False, damage=error.found)]
            return self._one_by_one(sorted(seqs))
        return found

    def astray(self, shards: int, limit: int) -> Sequence[Submitted]:
        """Up to ``limit`` rows that a look for none of the ``shards`` finds, nor an asker."""
        stray = _UNANSWERED & INBOX.c.shard.not_in(range(shards))
        query = sa.select(INBOX.c.seq, stray).where(stray | _NEVER).limit(limit)
        with self._read() as connection:
            rows = connection.execute(query).all()
        words = ("it was answered at no time there can be", "it is of no shard there is")
        return [Submitted(seq, NO_COMMAND, late=False, damage=words[of_no]) for seq, of_no in rows]

    def _one_by_one(self, seqs: Sequence[int]) -> Sequence[Submitted]:
        """The same where a row cannot be read: it leaves the others alone."""
        return [submitted for seq in seqs for submitted in self.take([seq])]

    def answer(self, answers: Sequence[tuple[str, bytes | None]]) -> None:
        """Answer each (message id, encoded answer), or delete it; a first answer stands."""
        said = [{"one": one, "said": answer} for one, answer in answers if answer is not None]
        done = [one for one, answer in answers if answer is None]
        if not answers:
            return
        update = (
            sa.update(INBOX)
            .where(INBOX.c.message_id == sa.bindparam("one"), INBOX.c.answered_at == 0)
            .values(answered_at=self._now, answer=sa.bindparam("said"))
        )
        with self._write() as connection:
            if said:
                connection.execute(update, said)
            for part in _parts(done):
                connection.execute(_DONE.where(INBOX.c.message_id.in_(part)))

    def set_aside(self, seq: int, answer: bytes) -> None:
        """Answer a row that holds no command, durably, so that it waits no more."""
        said = sa.literal(answer, sa.LargeBinary)
        first = sa.case((_UNANSWERED, said), else_=sa.func.coalesce(INBOX.c.answer, said))
        row = sa.update(INBOX).where(INBOX.c.seq == seq, _UNANSWERED | _NEVER)
        with self._write() as connection:
            connection.execute(row.values(answered_at=self._now, answer=first))

    def answers(self, message_ids: Sequence[str]) -> Mapping[str, bytes]:
        """The answers of those that have one; one that cannot be read is no bytes at all."""
        found: dict[str, bytes] = {}
        try:
            with self._read() as connection:
                for part in _parts(message_ids):
                    rows = connection.execute(_ANSWERS, {"ids": part})
                    found.update((row.message_id, _bytes(row.answer)) for row in rows)
        except StoreCorruptError:
            if len(message_ids) == 1:
                return {message_ids[0]: b""}
            return {one: said for id_ in message_ids for one, said in self.answers([id_]).items()}
        return found

    def discard(self, message_ids: Sequence[str]) -> None:
        """Delete those that are answered: queries, which may be asked twice."""
        delete = sa.delete(INBOX).where(INBOX.c.answered_at > 0)
        with self._write() as connection:
            for part in _parts(message_ids):
                connection.execute(delete.where(INBOX.c.message_id.in_(part)))

    def forget(self, limit: int) -> int:
        """Delete up to ``limit`` that were answered more than 7 days ago; how many there were."""
        old = (
            sa.select(INBOX.c.seq)
            .where(INBOX.c.answered_at > 0, INBOX.c.answered_at < self._now - REMEMBERED)
            .limit(limit)
        )
        with self._write() as connection:
            return connection.execute(sa.delete(INBOX).where(INBOX.c.seq.in_(old))).rowcount

    def _insert(self, dialect: str) -> sa.Insert:
        timeout = sa.bindparam("timeout", type_=sa.BigInteger)
        now = self._now
        values: dict[str, Any] = {
            "submitted_at": now,
            "deadline": sa.case((timeout == 0, 0), else_=now + timeout),
            "answered_at": 0,
        }
        given = ("message_id", "shard", "stream", "kind", "body", "sender", "context")
        values |= {name: sa.bindparam(name) for name in given}
        if dialect == "postgresql":
            from sqlalchemy.dialects import postgresql  # with all its drivers: 40 ms, if it is used

            return postgresql.insert(INBOX).values(values).on_conflict_do_nothing()
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(INBOX).values(values).on_conflict_do_nothing()


def _commands(now: Now) -> sa.Select[*tuple[Any, ...]]:
    """Asks for commands without an answer, in order."""
    columns = INBOX.c
    late = sa.and_(columns.deadline > 0, columns.deadline < now)
    timeout = sa.case((columns.deadline == 0, 0), else_=columns.deadline - columns.submitted_at)
    return (
        sa.select(
            columns.seq,
            columns.message_id,
            columns.shard,
            _at_most(columns.stream, TEXT_LIMIT),
            _at_most(columns.kind, TEXT_LIMIT),
            _at_most(columns.body, COMMAND_LIMIT),
            _at_most(columns.sender, TEXT_LIMIT),
            timeout.label("timeout"),
            _at_most(columns.context, METADATA_LIMIT),
            late.label("late"),
        )
        .where(_UNANSWERED)
        .order_by(columns.seq)
    )


def _at_most(column: sa.ColumnClause[Any], size: int) -> sa.ColumnElement[Any]:
    """Its value, NULL for what is too large to be loaded."""
    return sa.case((sa.func.length(column) <= size, column))


_UNANSWERED = INBOX.c.answered_at == sa.literal_column("0")
"""As the condition of the index ``inbox_waiting`` has it: a parameter would not match it."""

_NEVER = (INBOX.c.answered_at < 0) | (INBOX.c.answered_at > 2**63 - 1)
"""Answered at no time; on SQLite text and bytes are greater than all numbers."""

_OF_SHARDS = INBOX.c.shard.in_(sa.bindparam("shards", expanding=True))
_WAITING = (  # made once: it is asked all the time, and making it costs more than asking
    sa.select(INBOX.c.seq)
    .where(_OF_SHARDS, _UNANSWERED)
    .order_by(INBOX.c.seq)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_ANSWERS = sa.select(
    INBOX.c.message_id, _at_most(INBOX.c.answer, ANSWER_LIMIT).label("answer")
).where(INBOX.c.message_id.in_(sa.bindparam("ids", expanding=True)), INBOX.c.answered_at > 0)


_DONE = sa.delete(INBOX).where(_UNANSWERED)


def _bytes(answer: object) -> bytes:
    return answer if isinstance(answer, bytes) else b""


def _taken(connection: sa.Connection, commands: Sequence[Command]) -> Collection[str]:
    """Ids of ``commands`` that belong to something else."""
    stored: dict[str, tuple[Any, ...]] = {}
    columns = INBOX.c
    query = sa.select(
        columns.message_id,
        _at_most(columns.stream, TEXT_LIMIT),
        _at_most(columns.kind, TEXT_LIMIT),
        _at_most(columns.body, COMMAND_LIMIT),
    )
    for part in _parts([command.message_id for command in commands]):
        for message_id, *contents in connection.execute(query.where(columns.message_id.in_(part))):
            stored[message_id] = tuple(contents)
    return {
        command.message_id
        for command in commands
        if stored.get(command.message_id) != (command.stream, command.kind, command.body)
    }


def _submitted(
    connection: sa.Connection, query: sa.Select[*tuple[Any, ...]], which: Mapping[str, Any]
) -> list[Submitted]:
    return [_checked(seq, values, late) for seq, *values, late in connection.execute(query, which)]


def _checked(seq: int, values: Sequence[Any], late: Any) -> Submitted:
    """A row as it was read; SQLite takes any type for any column."""
    if tuple(map(type, values)) == _KINDS:
        command = Command(*values)
        texts = command.message_id, command.stream, command.kind, command.sender
        if max(map(len, texts)) <= TEXT_LIMIT:
            return Submitted(seq, command, bool(late))
    return Submitted(seq, NO_COMMAND, late=False, damage=_damage(values))


def _damage(values: Sequence[Any]) -> str:
    """What is wrong with a row; the first flaw tells."""
    found = ""
    for value, (name, kind) in zip(values, _COMMAND_TYPES, strict=True):
        if value is None:
            bound = f"{TEXT_LIMIT:,} characters"
            if name in _BOUNDS:
                bound = f"{_BOUNDS[name]:,} bytes"
            found = f"has more than {bound}"
        elif type(value) is not kind or (isinstance(value, str) and len(value) > TEXT_LIMIT):
            found = f"is {value!r:.80}"
        if found:
            return f"its {name} {found}"
    return found


_COMMAND_TYPES = (
    *(("message_id", str), ("shard", int), ("stream", str), ("kind", str)),
    *(("body", bytes), ("sender", str), ("timeout", int), ("context", bytes)),
)
_KINDS = tuple(kind for _, kind in _COMMAND_TYPES)

_BOUNDS = {"body": COMMAND_LIMIT, "context": METADATA_LIMIT}
"""Bytes of what is read only if it is not too large."""


def _parts(ids: Sequence[Any]) -> Sequence[Sequence[Any]]:
    return [ids[start : start + _IN] for start in range(0, len(ids), _IN)]
