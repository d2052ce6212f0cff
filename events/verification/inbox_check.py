"""Checks the rows of the inbox: each is a command for the owner of a shard, or is answered."""

from __future__ import annotations

from typing import NamedTuple

from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.commit.shard_plan import shard_of
from indelible.events.inbox.inbox import ANSWER_LIMIT, COMMAND_LIMIT, TEXT_LIMIT
from indelible.events.model.stream_names import is_text
from indelible.events.verification.findings import Findings
from indelible.events.verification.row_reader import Connect, RowReader

_PAGE = 100  # rows: SQLite loads each row whole, with its answer


class _CommandRow(NamedTuple):
    """A command with only the first byte of each bytes column, which shows the column's type.

    SQLite returns NULL for the first byte if there is none.
    """

    seq: int
    message_id: str
    shard: int
    stream: str
    kind: str
    sender: str
    submitted_at: int
    deadline: int
    answered_at: int
    body: bytes
    answer: bytes | None
    size: int
    context: bytes
    context_size: int
    awaits: str

    @property
    def wrong(self) -> str:
        """The first invalid value, as text; empty if all are valid."""
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not _fits(value, kind) or (value == "" and name not in _EMPTY):
                return f"its {name} is {value!r:.200}"
        for name, first, size, limit in (
            ("body", self.body, self.size, COMMAND_LIMIT),
            ("context", self.context, self.context_size, METADATA_LIMIT),
        ):
            if not isinstance(first, bytes) and (size or first is not None):
                return f"its {name} is {first!r:.200}"
            if size > limit:
                return f"its {name} has more than {limit:,} bytes"
        if self.answer is not None and not isinstance(self.answer, bytes):
            return f"its answer is {self.answer!r:.200}"
        if bool(self.answered_at) != (self.answer is not None):
            return f"its answered_at is {self.answered_at}, and its answer is" + (
                " missing" if self.answer is None else " there"
            )
        return ""


_TEXTS = ("message_id", "stream", "kind", "sender", "awaits")
_EMPTY = ("sender", "awaits")
"""The texts that may be empty."""

_NUMBERS = ("shard", "submitted_at", "deadline", "answered_at", "size", "context_size")
_KINDS = {**dict.fromkeys(_TEXTS, str), **dict.fromkeys(_NUMBERS, int)}
_CUT = {
    name: f"CASE WHEN length({name}) <= {TEXT_LIMIT} THEN {name} END"
    for name in ("stream", "kind", "sender", "awaits")
}
_BYTES = {name: f"substr({name}, 1, 1)" for name in ("body", "answer", "context")}
_SIZES = {"size": "length(body)", "context_size": "length(context)"}
_COLUMNS = tuple({**_CUT, **_BYTES, **_SIZES}.get(n, n) for n in _CommandRow._fields)


def _fits(value: object, kind: type) -> bool:
    if kind is str:
        return isinstance(value, str) and is_text(value) and len(value) <= TEXT_LIMIT
    return type(value) is int and value >= 0


def check_inbox(connect: Connect, shards: int, findings: Findings) -> None:
    """Add the commands that are damaged, or that the owner of no shard would find.

    Raises:
        VerificationError: The limit of findings is reached.
    """
    for page in RowReader(connect, ANSWER_LIMIT).every("inbox", _COLUMNS, ("seq",), _PAGE):
        for row in map(_CommandRow._make, page):
            wrong = row.wrong
            if not wrong and row.shard != shard_of(row.stream, shards):
                wrong = f"its shard is {row.shard}, that of {row.stream!r} is another"
            if wrong:
                named = f" ({row.message_id!r:.80} for {row.stream!r:.80})"
                findings.add(-1, 0, f"command {row.seq} of the inbox{named}: {wrong}")
