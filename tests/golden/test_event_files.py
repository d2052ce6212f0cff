"""Every schema of every event has a frozen file that today's code still reads (invariant 7).

``python tests/golden/test_event_files.py`` writes the files that are missing, and changes none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from indelible.events.event import Event
from indelible.events.projection_events import EventRetried, EventSkipped
from indelible.events.run_events import (
    Cause,
    FailedStep,
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
    StepOutcomeUnknown,
    StepsReleased,
    StepsStarted,
)
from indelible.events.types import EventTypes, run_event_types
from indelible.events.values import encode_value

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
    ),
    StepsStarted(at=AT, starts=(("extract", 2),), reason="retry", by="operator"),
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
        failures=(FailedStep("load", "ValueError", "no such table"),),
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
        failures=(FailedStep("load", "ValueError", "no such table"),),
    ),
    RunQuarantined(at=AT, step="load", interruptions=10),
    EventRetried(
        projection="metrics", shard=5, position=77, at=AT, by="operator", reason="mended: é"
    ),
    EventSkipped(projection="metrics", shard=5, position=77, at=AT, by="operator", reason="test"),
)


def file_of(cls: type[Event], schema: int) -> Path:
    return FILES / f"{cls.wire_name}.v{schema}.msgpack"


def plain(event: Event) -> dict[str, Any]:
    """All fields, the defaults too, as JSON holds them."""
    fields = msgspec.structs.asdict(event)
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
    event = TYPES.decode_payload(cls.wire_name, schema, file.read_bytes())
    assert type(event) is cls
    assert plain(event) == wanted


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.wire_name)
def test_the_newest_schema_is_still_written_the_same(example: Event) -> None:
    encoded = TYPES.encode(example, bytes(16))
    frozen = file_of(type(example), example.schema).read_bytes()
    assert msgpack.unpackb(encoded.payload) == msgpack.unpackb(frozen)


def test_every_field_of_every_event_stands_in_its_file() -> None:
    for cls in TYPES.classes():
        frozen = msgpack.unpackb(file_of(cls, cls.schema).read_bytes())
        assert sorted(frozen) == sorted(cls.__struct_fields__)


def test_no_golden_file_is_of_a_type_that_is_gone() -> None:
    known = {file_of(cls, schema).name for cls, schema in SCHEMAS}
    assert {file.name for file in FILES.glob("*.msgpack")} == known


def write_missing() -> None:
    FILES.mkdir(exist_ok=True)
    for example in EXAMPLES:
        file = file_of(type(example), example.schema)
        if not file.exists():
            file.write_bytes(TYPES.encode(example, bytes(16)).payload)
            file.with_suffix(".json").write_text(json.dumps(plain(example), indent=2) + "\n")


if __name__ == "__main__":
    write_missing()
