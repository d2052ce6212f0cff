"""Converts the plans of a group to statements with their columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, LiteralString

from indelible.events.commit.shard_plan import Head, ShardPlan
from indelible.events.inbox.inbox import Command
from indelible.events.postgres.inbox import NOTIFY
from indelible.events.postgres.write import statements as sql
from indelible.events.postgres.write.columns import Blobs, Integers, Texts

Statement = tuple[LiteralString, tuple[Any, ...]]


def statements_of(
    plans: Sequence[ShardPlan], lease: int, owned: Collection[int] = ()
) -> list[Statement]:
    """Return the statements that write ``plans`` and extend their leases; mostly there is one.

    Commands for shards that are not ``owned`` also send a hint to their owners.
    """
    parts: list[Statement] = [
        (sql.HEADS, _moves(plans, lease)),
        (sql.EVENTS, _events(plans)),
    ]
    if new := [head for plan in plans for head in plan.new]:
        parts.append((sql.NEW, _new(new)))
    if moved := [head for plan in plans for head in plan.moved]:
        parts.append((sql.MOVED, _moved(moved)))
    if restated := [head for plan in plans for head in plan.restated]:
        parts.append((sql.RESTATED, _restated(restated)))
    parts.append((sql.FENCE, (len(plans),)))
    text = _joined(tuple(part for part, _ in parts))
    statements: list[Statement] = [(text, tuple(v for _, values in parts for v in values))]
    blobs = {digest: content for plan in plans for digest, content in plan.blobs.items()}
    if blobs:
        # In the same order in all processes, so that writers of the same blobs cannot deadlock.
        digests = sorted(blobs)
        contents = Blobs([blobs[digest] for digest in digests])
        statements.append((sql.BLOBS, (Blobs(digests), contents)))
    statements += _late(plans)
    answers = [answer for plan in plans for answer in plan.answers]
    if answers:
        ids, encoded = zip(*answers, strict=True)
        statements.append((sql.ANSWERS, (Texts(ids), Blobs(encoded))))
    if done := [message_id for plan in plans for message_id in plan.done]:
        statements.append((sql.DONE, (Texts(done),)))
    if commands := [command for plan in plans for command in plan.commands]:
        statements.append((sql.COMMANDS, _commands(commands)))
        if any(command.shard not in owned for command in commands):
            statements.append((NOTIFY, ()))
    return statements


def _late(plans: Sequence[ShardPlan]) -> list[Statement]:
    """Return the statements that answer rows of earlier groups, and note which rows wait now."""
    statements: list[Statement] = []
    late = [plan.late for plan in plans if plan.late is not None]
    if answers := [answer for rows in late for answer in rows.answers()]:
        streams, keys, encoded = zip(*answers, strict=True)
        statements.append((sql.LATE_ANSWERS, (Texts(streams), Texts(keys), Blobs(encoded))))
    if awaiting := [row for rows in late for row in rows.awaiting()]:
        ids, keys = zip(*awaiting, strict=True)
        statements.append((sql.AWAITING, (Texts(ids), Texts(keys))))
    return statements


@cache
def _joined(parts: tuple[LiteralString, ...]) -> LiteralString:
    """Join statements; cached, since the driver recognises a prepared statement by its text."""
    return "".join(parts)


def _moves(plans: Sequence[ShardPlan], lease: int) -> tuple[Any, ...]:
    befores, afters = [plan.before for plan in plans], [plan.after for plan in plans]
    return (
        lease,
        Integers([before.number for before in befores]),
        Integers([before.epoch for before in befores]),
        Integers([before.head for before in befores]),
        Integers([after.head for after in afters]),
        Blobs([after.chain for after in afters]),
        Integers([after.streams for after in afters]),
    )


def _events(plans: Sequence[ShardPlan]) -> tuple[Any, ...]:
    events = [event for plan in plans for part in plan.events for event in part]
    streams = Integers()
    for plan in plans:
        for stream, part in zip(plan.ids, plan.events, strict=True):
            streams += [stream] * len(part)
    return (
        Integers([event.shard for event in events]),
        Integers([event.position for event in events]),
        streams,
        Integers([event.version for event in events]),
        Blobs([event.event_id for event in events]),
        Integers([event.epoch for event in events]),
        Texts([event.type for event in events]),
        Integers([event.schema for event in events]),
        Blobs([event.payload for event in events]),
        Blobs([event.metadata for event in events]),
        Integers([event.recorded_at for event in events]),
        Blobs([event.chain for event in events]),
    )


def _new(heads: Sequence[Head]) -> tuple[Any, ...]:
    return (
        Integers([head.id for head in heads]),
        Texts([head.name for head in heads]),
        Texts([head.category for head in heads]),
        Integers([head.version for head in heads]),
        Texts([head.status for head in heads]),
        Integers([head.wake_at for head in heads]),
    )


def _moved(heads: Sequence[Head]) -> tuple[Any, ...]:
    return Integers([head.id for head in heads]), Integers([head.version for head in heads])


def _restated(heads: Sequence[Head]) -> tuple[Any, ...]:
    return (
        Integers([head.id for head in heads]),
        Integers([head.version for head in heads]),
        Texts([head.status for head in heads]),
        Integers([head.wake_at for head in heads]),
    )


def _commands(commands: Sequence[Command]) -> tuple[Any, ...]:
    return (
        Texts([command.message_id for command in commands]),
        Integers([command.shard for command in commands]),
        Texts([command.stream for command in commands]),
        Texts([command.kind for command in commands]),
        Blobs([command.body for command in commands]),
        Texts([command.sender for command in commands]),
        Blobs([command.context for command in commands]),
    )
