"""Every schema of every event has a frozen file that today's code still reads (invariant 7).

A file holds what a store keeps of one event: its type, schema, payload, and metadata.

``python tests/golden/test_event_files.py`` writes the files that are missing, and changes none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from indelible.events.codec.metadata import (
    correlated,
    decode_metadata,
    encode_metadata,
    promises_in,
    promising,
)
from indelible.events.codec.values import encode_value
from indelible.events.model.call_events import CallAttemptFailed, CallBegan, CallReleased
from indelible.events.model.event import Event
from indelible.events.model.event_types import EventTypes, run_event_types
from indelible.events.model.message_context import Context, inherited
from indelible.events.model.projection_events import EventRetried, EventSkipped
from indelible.events.model.run_events import (
    Cause,
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
    StepFailure,
    StepOutcomeUnknown,
    StepsReleased,
    StepsStarted,
)

FILES = Path(__file__).with_name("events")
AT = 1_700_000_000_000_000

EXAMPLES: tuple[Event, ...] = (
    RunAccepted(
        run_id="2013-01",
        agent="etl",
        workflow="flights",
        definition=encode_value({"format": 1, "steps": [{"name": "extract"}]}),
        input=encode_value({"month": 1}),
        steps_total=2,
        at=AT,
        starts=(("extract", 1), ("load", 1)),
        checkpoint=1,
        skips=(("audit", "condition_not_met"),),
        opens=(("orders", 2, 4), ("orders[0]/lines", 3, 3)),
    ),
    StepsStarted(
        at=AT,
        starts=(("extract", 2),),
        reason="retry",
        by="operator",
        skips=(("audit", "x"),),
        opens=(("poll", 1, 2),),
    ),
    StepsReleased(at=AT, paths=["extract"]),
    StepCompleted(
        path="extract",
        attempt=2,
        at=AT,
        duration=1_234,
        result=encode_value([1, 2.5, "x"]),
        blob=bytes(range(32)),
        size=70_000,
        cpu=900,
        starts=(("load", 1),),
        checkpoint=2,
        by="operator",
        skips=(("audit", "condition_not_met"),),
        opens=(("orders", 2, 4),),
    ),
    StepFailed(
        path="load",
        attempt=1,
        at=AT,
        duration=55,
        error_type="ValueError",
        error_message="no such table: é",
        final=False,
        retry_at=AT + 1_000_000,
        cpu=5,
        starts=(("clean", 1),),
        checkpoint=3,
        by="operator",
        traceback='  File "steps.py", line 7, in load\n    open(path)\n',
        causes=(Cause("cause", 1, "OSError", "disk 7 is full", "disk.py:3 in write"),),
        skips=(("audit", "condition_not_met"),),
        opens=(("orders", 2, 4),),
    ),
    StepOutcomeUnknown(path="load", attempt=1, at=AT),
    RunCompleted(
        at=AT,
        outcome="partial",
        completed=1,
        failed=1,
        skipped=0,
        duration=99,
        state_bytes=1_000,
        agent="etl",
        failures=(StepFailure("load", "ValueError", "no such table"),),
    ),
    RunFailed(
        at=AT,
        step="load",
        error_type="ValueError",
        error_message="no such table",
        completed=1,
        failed=1,
        skipped=0,
        duration=99,
        state_bytes=1_000,
        agent="etl",
        failures=(StepFailure("load", "ValueError", "no such table"),),
    ),
    RunQuarantined(at=AT, step="load", interruptions=10),
    EventRetried(
        projection="metrics", shard=5, position=77, at=AT, by="operator", reason="mended: é"
    ),
    EventSkipped(projection="metrics", shard=5, position=77, at=AT, by="operator", reason="test"),
    CallBegan(key="charge", attempt=3, at=AT, cut_off=True),
    CallAttemptFailed(
        key="charge",
        attempt=2,
        at=AT,
        error_type="ValueError",
        error_message="no money: é",
        retry_at=AT + 1_000_000,
        duration=55,
        traceback='  File "bank.py", line 7, in charge\n    pay(amount)\n',
    ),
    CallReleased(key="charge", attempt=2, at=AT),
)


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STARTED = Context(
    "req-1", "queue/7", "ada", "acme", "Miete, März", PARENT, "congo=t61rcWkgMzE", "bot"
)
INHERITED = inherited(STARTED)
CONTEXTS: dict[type[Event], Context] = {
    RunAccepted: STARTED,
    StepsReleased: Context("2013-01"),  # of a run whose start was given none
    EventRetried: Context("metrics", principal="operator", reason="mended: é"),
    EventSkipped: Context("metrics", principal="operator", reason="test"),
}
"""Where the examples come from; the others have what their run inherits."""


def test_the_keys_that_an_event_promises_stand_behind_its_context() -> None:
    data = b"\x82\xaecorrelation_id\xa242\xa7effects\x92\xa0\xa4bell"
    assert promising(correlated("42"), ["", "bell"]) == data
    assert promises_in(data) == ["", "bell"]
    assert decode_metadata(data) == Context("42")


class Stored(msgspec.Struct):
    """What is in a file."""

    type: str
    schema: int
    payload: bytes
    metadata: bytes


def file_of(cls: type[Event], schema: int) -> Path:
    return FILES / f"{cls.wire_name}.v{schema}.msgpack"


def stored(cls: type[Event], schema: int) -> Stored:
    """What is in the file of one schema."""
    return msgspec.convert(msgpack.unpackb(file_of(cls, schema).read_bytes()), Stored)


def written(event: Event) -> Stored:
    """What a store would keep of an example."""
    context = CONTEXTS.get(type(event), INHERITED)
    encoded = TYPES.encode(event, bytes(16), encode_metadata(context))
    return Stored(encoded.type, encoded.schema, encoded.payload, encoded.metadata)


def plain(event: Event, context: Context) -> dict[str, Any]:
    """All fields, the defaults too, as JSON holds them."""
    fields = {"event": msgspec.structs.asdict(event), "context": msgspec.structs.asdict(context)}
    shown: dict[str, Any] = json.loads(msgspec.json.encode(fields))
    return shown


TYPES: EventTypes = run_event_types()
SCHEMAS = [(cls, schema) for cls in TYPES.classes() for schema in range(1, cls.schema + 1)]


@pytest.mark.parametrize(
    ("cls", "schema"), SCHEMAS, ids=[f"{cls.wire_name}.v{schema}" for cls, schema in SCHEMAS]
)
def test_the_frozen_bytes_still_mean_the_same(cls: type[Event], schema: int) -> None:
    file = file_of(cls, schema)
    assert file.exists(), f"{cls.wire_name} schema {schema} has no golden file: run this script"
    wanted = json.loads(file.with_suffix(".json").read_text())
    frozen = stored(cls, schema)
    assert (frozen.type, frozen.schema) == (cls.wire_name, schema)
    event = TYPES.decode_payload(frozen.type, frozen.schema, frozen.payload)
    assert type(event) is cls
    assert plain(event, decode_metadata(frozen.metadata)) == wanted


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.wire_name)
def test_the_newest_schema_is_still_written_the_same(example: Event) -> None:
    frozen, now = stored(type(example), example.schema), written(example)
    assert msgpack.unpackb(now.payload) == msgpack.unpackb(frozen.payload)
    assert now.metadata == frozen.metadata


def test_every_field_of_every_event_stands_in_its_file() -> None:
    for cls in TYPES.classes():
        frozen = msgpack.unpackb(stored(cls, cls.schema).payload)
        assert sorted(frozen) == sorted(cls.__struct_fields__)


def test_every_field_of_a_context_stands_in_the_file_of_a_run_that_is_accepted() -> None:
    frozen = msgpack.unpackb(stored(RunAccepted, RunAccepted.schema).metadata)
    assert sorted(frozen) == sorted(Context.__struct_fields__)


def test_no_golden_file_is_of_a_type_that_is_gone() -> None:
    known = {file_of(cls, schema).name for cls, schema in SCHEMAS}
    assert {file.name for file in FILES.glob("*.msgpack")} == known


def write_missing() -> None:
    FILES.mkdir(exist_ok=True)
    for example in EXAMPLES:
        file = file_of(type(example), example.schema)
        if not file.exists():
            kept = written(example)
            file.write_bytes(msgpack.packb(msgspec.structs.asdict(kept)))
            shown = plain(example, decode_metadata(kept.metadata))
            file.with_suffix(".json").write_text(json.dumps(shown, indent=2) + "\n")


if __name__ == "__main__":
    write_missing()
