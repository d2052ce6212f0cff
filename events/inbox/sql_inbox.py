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
        sa.column("awaits", sa.Text),
    ),
)

_IN = 500
"""Ids in one statement: a few kilobytes of SQL, far below any database's limit."""

Begin = Callable[[], AbstractContextManager[sa.Connection]]
"""Begins a transaction that commits at the end of the block, or rolls back."""

Now = sa.ColumnElement[int]
"""The database's clock, which all processes share, as SQL: microseconds UTC."""


class SqlInbox:
    """Reads and writes the table on the store's connections.

    Deadlines follow the database's clock, never the clock of a process.
    """

    def __init__(
        self, *, write: Begin, read: Begin, now: Now, watch: Callable[[bool], InboxWatcher]
    ) -> None:
        """No I/O yet; ``write`` begins transactions at full durability."""
        self._write = write
        self._read = read
        self._now = now
        self._watch = watch
        self._used = False  # whether there was a row; until then one small query is enough
        commands = _commands(now)  # composed once: composing costs more than executing
        most = sa.bindparam("most", type_=sa.Integer)
        self._first = commands.where(UNHANDLED, _OF_SHARDS).limit(most)
        self._given = commands.where(
            UNHANDLED, INBOX.c.seq.in_(sa.bindparam("seqs", expanding=True))
        )
        self._commands = commands

    def watch(self, *, for_commands: bool = False) -> InboxWatcher:
        """Return a new watcher, which the caller closes; ``for_commands`` ignores answers."""
        return self._watch(for_commands)

    def submit(self, commands: Sequence[Command]) -> Collection[str]:
        """Make ``commands`` durable, except those that are in the inbox already."""
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
        """Return the first ``limit`` sequence numbers of unhandled commands for ``shards``."""
        if not shards:
            return ()
        values = {"shards": sorted(shards), "most": limit}
        with self._read() as connection:
            return list(connection.execute(_WAITING, values).scalars())

    def first(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """Return the first ``limit`` unhandled commands for ``shards``, in order."""
        try:
            with self._read() as connection:
                if self._is_empty(connection):
                    return []
                values = {"shards": sorted(shards), "most": limit}
                return _submitted(connection, self._first, values)
        except StoreCorruptError:
            return self._one_by_one(self.waiting(shards, limit))

    def take(self, seqs: Sequence[int]) -> Sequence[Submitted]:
        """Return the unhandled commands with these sequence numbers, in order."""
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

    def awaiting(self, stream: str, limit: int) -> int:
        """Return how many commands for ``stream`` wait for a late answer, counted to ``limit``."""
        rows = sa.select(INBOX.c.seq).where(_AWAITING, INBOX.c.stream == stream).limit(limit)
        with self._read() as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(rows.subquery())
            ).scalar_one()

    def abandoned(self, shards: Collection[int], limit: int) -> Sequence[Submitted]:
        """Return up to ``limit`` commands for ``shards`` that wait for a late answer in vain."""
        old = (INBOX.c.deadline > 0) & (INBOX.c.deadline < self._now - REMEMBERED)
        query = self._commands.where(_AWAITING, INBOX.c.shard.in_(shards), old).limit(limit)
        try:
            with self._read() as connection:
                return [] if self._is_empty(connection) else _submitted(connection, query, {})
        except StoreCorruptError:
            return []  # verifying names the row

    def astray(self, shards: int, limit: int) -> Sequence[Submitted]:
        """Return up to ``limit`` rows that neither an owner of a shard nor a sender can find."""
        stray = _UNANSWERED & INBOX.c.shard.not_in(range(shards))
        query = sa.select(INBOX.c.seq, stray).where(stray | _IMPOSSIBLE_TIME).limit(limit)
        with self._read() as connection:
            rows = () if self._is_empty(connection) else connection.execute(query).all()
        damages = ("its answered_at is an impossible time", "its shard does not exist")
        return [
            Submitted(seq, NO_COMMAND, late=False, damage=damages[is_stray])
            for seq, is_stray in rows
        ]

    def _one_by_one(self, seqs: Sequence[int]) -> Sequence[Submitted]:
        """Read each row alone, so that a damaged row does not affect the others."""
        return [submitted for seq in seqs for submitted in self.take([seq])]

    def answer(self, answers: Sequence[tuple[str, bytes | None]]) -> None:
        """Store the answers, or delete the messages without one; the first answer is kept."""
        answered = [{"id": id_, "new": answer} for id_, answer in answers if answer is not None]
        done = [id_ for id_, answer in answers if answer is None]
        if not answers:
            return
        update = (
            sa.update(INBOX)
            .where(INBOX.c.message_id == sa.bindparam("id"), INBOX.c.answered_at == 0)
            .values(answered_at=self._now, answer=sa.bindparam("new"))
        )
        with self._write() as connection:
            if answered:
                connection.execute(update, answered)
            for part in _parts(done):
                connection.execute(_DELETE_DONE.where(INBOX.c.message_id.in_(part)))

    def set_aside(self, seq: int, answer: bytes) -> None:
        """Answer a damaged row, durably, so that it is not read again."""
        new = sa.literal(answer, sa.LargeBinary)
        first = sa.case((_UNANSWERED, new), else_=sa.func.coalesce(INBOX.c.answer, new))
        row = sa.update(INBOX).where(INBOX.c.seq == seq, _UNANSWERED | _IMPOSSIBLE_TIME)
        with self._write() as connection:
            connection.execute(row.values(answered_at=self._now, answer=first))

    def answers(self, message_ids: Sequence[str]) -> Mapping[str, bytes]:
        """Return the answers by message id; an unreadable answer is empty."""
        found: dict[str, bytes] = {}
        try:
            with self._read() as connection:
                for part in _parts(message_ids):
                    rows = connection.execute(_ANSWERS, {"ids": part})
                    found.update((row.message_id, _bytes(row.answer)) for row in rows)
        except StoreCorruptError:
            if len(message_ids) == 1:
                return {message_ids[0]: b""}
            alone = [self.answers([message_id]) for message_id in message_ids]
            return {id_: answer for answers in alone for id_, answer in answers.items()}
        return found

    def discard(self, message_ids: Sequence[str]) -> None:
        """Delete the answered ones of these messages: queries, which may be sent again."""
        delete = sa.delete(INBOX).where(INBOX.c.answered_at > 0)
        with self._write() as connection:
            for part in _parts(message_ids):
                connection.execute(delete.where(INBOX.c.message_id.in_(part)))

    def forget(self, limit: int) -> int:
        """Delete up to ``limit`` messages answered more than 7 days ago, and return how many."""
        with self._read() as connection:
            if self._is_empty(connection):
                return 0
        old = (
            sa.select(INBOX.c.seq)
            .where(INBOX.c.answered_at > 0, INBOX.c.answered_at < self._now - REMEMBERED)
            .limit(limit)
        )
        with self._write() as connection:
            return connection.execute(sa.delete(INBOX).where(INBOX.c.seq.in_(old))).rowcount

    def _is_empty(self, connection: sa.Connection) -> bool:
        """Whether no process has ever used the inbox, as far as this object knows."""
        if not self._used:
            self._used = bool(connection.exec_driver_sql(_ANY_ROW).scalar())
        return not self._used

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
            from sqlalchemy.dialects import postgresql  # takes 40 ms: only if it is used

            return postgresql.insert(INBOX).values(values).on_conflict_do_nothing()
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(INBOX).values(values).on_conflict_do_nothing()


def _commands(now: Now) -> sa.Select[*tuple[Any, ...]]:
    """Return the query for unhandled commands, in order."""
    columns = INBOX.c
    late = sa.and_(columns.deadline > 0, columns.deadline < now)
    timeout = sa.case((columns.deadline == 0, 0), else_=columns.deadline - columns.submitted_at)
    return sa.select(
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
    ).order_by(columns.seq)


def _at_most(column: sa.ColumnClause[Any], size: int) -> sa.ColumnElement[Any]:
    """Return the column's value, NULL if it is too large to load."""
    return sa.case((sa.func.length(column) <= size, column))


_UNANSWERED = INBOX.c.answered_at == sa.literal_column("0")

_NO_KEY: sa.ColumnElement[str] = sa.literal_column("''")

UNHANDLED = _UNANSWERED & (INBOX.c.awaits == _NO_KEY)
"""The condition of the index ``inbox_waiting``; parameters instead of literals do not match it."""

_AWAITING = _UNANSWERED & (INBOX.c.awaits != _NO_KEY) & (INBOX.c.awaits > _NO_KEY)
"""Commands that wait for a late answer: the condition of the index ``inbox_awaiting``, and one that
is never false, which makes SQLite prefer that index."""

_IMPOSSIBLE_TIME = (INBOX.c.answered_at < 0) | (INBOX.c.answered_at > 2**63 - 1)
"""An impossible time of the answer; on SQLite text and bytes are greater than all numbers."""

_OF_SHARDS = INBOX.c.shard.in_(sa.bindparam("shards", expanding=True))
_WAITING = (  # composed once: it is executed all the time, and composing costs more
    sa.select(INBOX.c.seq)
    .where(_OF_SHARDS, UNHANDLED)
    .order_by(INBOX.c.seq)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_ANSWERS = sa.select(
    INBOX.c.message_id, _at_most(INBOX.c.answer, ANSWER_LIMIT).label("answer")
).where(INBOX.c.message_id.in_(sa.bindparam("ids", expanding=True)), INBOX.c.answered_at > 0)


_ANY_ROW = "SELECT EXISTS (SELECT 1 FROM inbox)"
_DELETE_DONE = sa.delete(INBOX).where(_UNANSWERED)


def _bytes(answer: object) -> bytes:
    return answer if isinstance(answer, bytes) else b""


def _taken(connection: sa.Connection, commands: Sequence[Command]) -> Collection[str]:
    """Return the ids of ``commands`` that belong to a different command in the table."""
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
    connection: sa.Connection, query: sa.Select[*tuple[Any, ...]], values: Mapping[str, Any]
) -> list[Submitted]:
    return [_checked(seq, row, late) for seq, *row, late in connection.execute(query, values)]


def _checked(seq: int, values: Sequence[Any], late: Any) -> Submitted:
    """Check a row and make it a command; SQLite takes any type for any column."""
    if tuple(map(type, values)) == _KINDS:
        command = Command(*values)
        texts = command.message_id, command.stream, command.kind, command.sender
        if max(map(len, texts)) <= TEXT_LIMIT:
            return Submitted(seq, command, bool(late))
    return Submitted(seq, NO_COMMAND, late=False, damage=_damage(values))


def _damage(values: Sequence[Any]) -> str:
    """Return the first damage of a row, as text."""
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
"""Bytes of the columns that are read only if they are not too large."""


def _parts(ids: Sequence[Any]) -> Sequence[Sequence[Any]]:
    return [ids[start : start + _IN] for start in range(0, len(ids), _IN)]
