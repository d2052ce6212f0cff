"""Plans what a group commit writes to one shard, before it calls the database (invariant 3).

Pure: an append with a wrong version leaves the group here, before it takes a position.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

import msgspec

from indelible.errors import (
    PipelineBrokenError,
    StoreCorruptError,
    ValueNotStorableError,
    WrongExpectedVersionError,
)
from indelible.events.inbox.inbox import Command, check_command
from indelible.events.inbox.late_answers import LateRows, check_late
from indelible.events.model.event import RecordedEvent
from indelible.events.model.hash_chain import GENESIS, event_hash, link
from indelible.events.model.stream_names import category_of, check_kind, check_name, is_text
from indelible.events.store import Append

SHARD = 0
"""The only shard of a store on SQLite."""

STREAM_ID_BITS = 40
"""Streams a shard can number: 2^40, so that shard and counter fit a 64-bit id."""


def shard_of(stream: str, shards: int) -> int:
    """Return the shard of a stream among ``shards``; it never changes.

    >>> shard_of("run-1", 64), shard_of("run-2", 64), shard_of("run-1", 1)
    (35, 25, 0)
    """
    return crc32(stream.encode()) % shards if shards > 1 else SHARD


_CLOCK_INTERVAL = 64  # appends between two readings of the clock
_INT_MAX = 2**63 - 1


class Shard(msgspec.Struct, frozen=True, gc=False):
    """The end of a shard, with the epoch of its writer.

    Attributes:
        epoch: The writer's fencing token.
        head: The last position; 0 if there is none.
        chain: The hash chain up to ``head``.
        recorded_at: The time of the last event, microseconds UTC.
        streams: How many streams have got a number.
        number: The number of the shard.
    """

    epoch: int
    head: int = 0
    chain: bytes = GENESIS
    recorded_at: int = 0
    streams: int = 0
    number: int = SHARD


class Head(msgspec.Struct, frozen=True, gc=False):
    """The writer's copy of a row of ``streams``."""

    id: int
    name: str
    category: str
    version: int
    status: str
    wake_at: int


class DamagedHead(Head, frozen=True, gc=False):
    """The head of a stream whose row is damaged; it matches no append.

    Attributes:
        damage: The error with which appends to the stream are refused.
    """

    damage: StoreCorruptError


def damaged_head(damage: StoreCorruptError) -> DamagedHead:
    """Return the head of the stream that ``damage`` names."""
    return DamagedHead(0, damage.stream, "", -1, "", 0, damage)


class Closed(NamedTuple):
    """Why no stream can begin in a shard.

    Attributes:
        url: The address of the store.
        why: The reason as text, with the number of the shard.
    """

    url: str
    why: str


class ShardPlan:
    """The part of a group that is written to one shard.

    Attributes:
        before: The shard before the write.
        after: The shard after the write.
        taken: How many of the appends are planned or refused; the rest waits for the next group.
        accepted: Appends that will be written, in order.
        refused: Appends that fail alone, each with its error.
        events: The recorded events of each accepted append.
        ids: The id of each accepted append's stream.
        new: Heads of streams that begin here.
        moved: Heads of known streams where only the version changes.
        restated: Heads of known streams where status or wake_at change too.
        blobs: Content-addressed payloads, by sha256.
        answers: Answers to inbox messages, (message id, encoded answer).
        done: Ids of inbox messages to delete.
        commands: Commands to submit to the inbox.
        late: Rows of the inbox to change for late answers; ``None`` if there are none.
    """

    __slots__ = (
        "accepted",
        "after",
        "answers",
        "before",
        "blobs",
        "commands",
        "done",
        "events",
        "ids",
        "late",
        "moved",
        "new",
        "refused",
        "restated",
        "taken",
    )

    def __init__(self, before: Shard) -> None:
        """Start empty, at the end of ``before``."""
        self.before = before
        self.after = before
        self.taken = 0
        self.accepted: list[Append] = []
        self.refused: list[tuple[Append, Exception]] = []
        self.events: list[list[RecordedEvent]] = []
        self.ids: list[int] = []
        self.new: list[Head] = []
        self.moved: list[Head] = []
        self.restated: list[Head] = []
        self.blobs: dict[bytes, bytes] = {}
        self.answers: list[tuple[str, bytes]] = []
        self.done: list[str] = []
        self.commands: list[Command] = []
        self.late: LateRows | None = None


def make_plan(
    appends: Sequence[Append],
    shard: Shard,
    heads: Mapping[str, Head],
    now: int,
    *,
    closed: Closed | None = None,
    late: Callable[[], bool] = lambda: False,
) -> ShardPlan:
    """Decide which of ``appends`` are written to ``shard``, and which rows.

    Args:
        appends: In the order in which they were queued.
        shard: The end of the shard.
        heads: The heads of the appends' streams; a stream without a head does not exist.
        now: Microseconds UTC; raised to the time of the shard's last event if it is earlier.
        closed: Why no stream can begin; ``None`` if streams can.
        late: Called now and then; once it returns ``True`` the rest waits for the next group.
    """
    plan = ShardPlan(shard)
    at = max(now, shard.recorded_at)
    position, chain, streams = shard.head, shard.chain, shard.streams
    touched: dict[str, Head] = {}
    for append in appends:
        if plan.taken % _CLOCK_INTERVAL == _CLOCK_INTERVAL - 1 and late():
            break
        plan.taken += 1
        name = append.stream
        head = touched.get(name) or heads.get(name)
        try:
            _check(append, head)
            if head is None:
                _check_new(append.stream, shard.number, closed)
            recorded, chain_after = _record(append, shard, position, chain, at)
        except _REFUSALS as error:
            _refuse(plan, append, error)
            continue
        if recorded:
            if head is None:
                head = _begin(name, shard.number, streams)
                streams += 1
            chain = chain_after
            position += len(recorded)
            touched[name] = _moved(head, append)
        plan.accepted.append(append)
        plan.events.append(recorded)
        plan.ids.append(0 if head is None else head.id)
        if append.blobs:
            plan.blobs.update(append.blobs)
        if append.answers or append.commands or append.late:
            _add_inbox_rows(plan, append)
    _sort_heads(plan, touched, heads)
    plan.after = Shard(shard.epoch, position, chain, at, streams, shard.number)
    return plan


_REFUSALS = (
    WrongExpectedVersionError,
    PipelineBrokenError,
    StoreCorruptError,
    ValueNotStorableError,
    TypeError,
    ValueError,
    struct.error,
    AttributeError,
)


def _check_new(name: str, shard: int, closed: Closed | None) -> None:
    check_name(name)
    if closed is not None:
        found = f"{closed.why}, and it may be one of these"
        raise StoreCorruptError(closed.url, found, stream=name, shard=shard)


def _check(append: Append, head: Head | None) -> None:
    """Refuse an append that the database would refuse too, together with the whole group."""
    if append.pipeline is not None and append.pipeline.broken:
        raise PipelineBrokenError(append.stream)
    version = 0 if head is None else head.version
    if append.expected != version:
        if isinstance(head, DamagedHead):
            raise head.damage
        raise WrongExpectedVersionError(append.stream, append.expected, version)
    if not append.events and not append.late:
        raise ValueError(f"an append to {append.stream!r} without events: give at least one")
    if append.status is not None and not is_text(append.status):
        raise ValueError(f"status {append.status!a:.80} of {append.stream!r}: use text without NUL")
    if append.wake_at is not None and not 0 <= append.wake_at <= _INT_MAX:
        raise ValueError(f"wake_at {append.wake_at} of {append.stream!r}: give microseconds UTC")
    for digest, content in append.blobs:
        if not isinstance(digest, bytes) or len(digest) != 32 or not isinstance(content, bytes):
            raise ValueError(f"a blob of {append.stream!r} is not (sha256, bytes)")
    if append.commands or append.late:
        _check_inbox_rows(append)


def _check_inbox_rows(append: Append) -> None:
    for command in append.commands:
        check_command(command)
    for late in append.late:
        check_late(late)


def _record(
    append: Append, shard: Shard, position: int, chain: bytes, at: int
) -> tuple[list[RecordedEvent], bytes]:
    """Give the append's events their positions and versions; also return the chain after them."""
    recorded = []
    number, epoch = shard.number, shard.epoch
    stream, version, usual = append.stream, append.expected, append.metadata
    for event in append.events:
        position += 1
        version += 1
        event_id, kind, schema, payload = event.event_id, event.type, event.schema, event.payload
        metadata = event.metadata or usual
        check_kind(kind, schema)
        if len(event_id) != 16:
            raise ValueError(f"an event id of {stream!r} has {len(event_id)} bytes, not 16")
        hashed = event_hash(stream, version, event_id, kind, schema, at, metadata, payload)
        chain = link(chain, number, position, epoch, hashed)
        recorded.append(
            RecordedEvent(
                number,
                position,
                stream,
                version,
                event_id,
                epoch,
                kind,
                schema,
                payload,
                metadata,
                at,
                chain,
                event.data,
            )
        )
    return recorded, chain


def _begin(name: str, shard: int, streams: int) -> Head:
    return Head((shard << STREAM_ID_BITS) + streams + 1, name, category_of(name), 0, "", 0)


def _moved(head: Head, append: Append) -> Head:
    status, wake_at = append.status, append.wake_at
    return Head(
        head.id,
        head.name,
        head.category,
        head.version + len(append.events),
        head.status if status is None else status,
        head.wake_at if wake_at is None else wake_at,
    )


def _add_inbox_rows(plan: ShardPlan, append: Append) -> None:
    for message_id, answer in append.answers:
        if answer is None:
            plan.done.append(message_id)
        else:
            plan.answers.append((message_id, answer))
    plan.commands += append.commands
    if append.late:
        plan.late = plan.late or LateRows()
        plan.answers += plan.late.add(append.stream, append.late)


def _refuse(plan: ShardPlan, append: Append, error: Exception) -> None:
    plan.refused.append((append, error))
    if append.pipeline is not None:
        append.pipeline.broken = True


def _sort_heads(plan: ShardPlan, touched: Mapping[str, Head], heads: Mapping[str, Head]) -> None:
    for name, head in touched.items():
        old = heads.get(name)
        if old is None:
            plan.new.append(head)
        elif old.status == head.status and old.wake_at == head.wake_at:
            plan.moved.append(head)
        else:
            plan.restated.append(head)
