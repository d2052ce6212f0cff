"""The plan of a group: who gets in, at which places, and what that means for the heads."""

from __future__ import annotations

import pytest

from indelible.errors import PipelineBrokenError, WrongExpectedVersionError
from indelible.events.commit.shard_plan import STREAM_ID_BITS, Head, Shard, make_plan
from indelible.events.model.hash_chain import GENESIS, event_hash, link
from indelible.events.store import Append, Pipeline
from indelible.testing.contract.builders import some_event, some_events

SHARD = Shard(epoch=3, head=10, chain=bytes(32), recorded_at=500, streams=4)


def append(stream: str, expected: int, count: int = 1, **more: object) -> Append:
    return Append(stream, expected, some_events(count), lambda _a, _e: None, **more)  # type: ignore[arg-type]


def head(name: str, version: int, stream_id: int = 1, status: str = "", wake_at: int = 0) -> Head:
    return Head(stream_id, name, name.partition("-")[0], version, status, wake_at)


def test_positions_follow_the_shard_and_versions_the_stream() -> None:
    plan = make_plan(
        [append("run-1", 5, 2), append("run-2", 0)], SHARD, {"run-1": head("run-1", 5)}, 900
    )
    assert [[(e.position, e.version) for e in events] for events in plan.events] == [
        [(11, 6), (12, 7)],
        [(13, 1)],
    ]
    assert {event.epoch for events in plan.events for event in events} == {3}
    assert (plan.after.head, plan.after.recorded_at, plan.after.epoch) == (13, 900, 3)


def test_the_chain_goes_on_from_the_shard() -> None:
    plan = make_plan([append("run-1", 0)], SHARD, {}, 900)
    [[event]] = plan.events
    hashed = event_hash("run-1", 1, event.event_id, event.type, 1, 900, b"\x80", b"\x80")
    assert event.chain == link(GENESIS, 0, 11, 3, hashed) == plan.after.chain


def test_time_never_falls_within_a_shard() -> None:
    plan = make_plan([append("run-1", 0)], SHARD, {}, 499)
    assert plan.events[0][0].recorded_at == 500


def test_new_streams_are_numbered() -> None:
    shard = Shard(epoch=1, streams=4, number=2)
    plan = make_plan([append("run-1", 0), append("run-2", 0), append("run-1", 1)], shard, {}, 1)
    assert [(one.name, one.id, one.version) for one in plan.new] == [
        ("run-1", (2 << STREAM_ID_BITS) + 5, 2),
        ("run-2", (2 << STREAM_ID_BITS) + 6, 1),
    ]
    assert plan.ids == [plan.new[0].id, plan.new[1].id, plan.new[0].id]
    assert plan.after.streams == 6
    assert plan.moved == plan.restated == []


def test_heads_are_restated_only_where_status_or_wake_at_change() -> None:
    heads = {
        "run-1": head("run-1", 1, 1, "running", 7),
        "run-2": head("run-2", 1, 2, "running"),
        "run-3": head("run-3", 1, 3, "running"),
    }
    plan = make_plan(
        [
            append("run-1", 1, status="running", wake_at=7),
            append("run-2", 1, status="done"),
            append("run-3", 1, wake_at=9),
        ],
        SHARD,
        heads,
        1,
    )
    assert [(one.name, one.version) for one in plan.moved] == [("run-1", 2)]
    assert [(one.name, one.status, one.wake_at) for one in plan.restated] == [
        ("run-2", "done", 0),
        ("run-3", "running", 9),
    ]


def test_a_refused_append_takes_no_position() -> None:
    wrong = append("run-1", 3)
    plan = make_plan([append("run-1", 0), wrong, append("run-1", 1)], SHARD, {}, 1)
    assert [(one, type(error)) for one, error in plan.refused] == [
        (wrong, WrongExpectedVersionError)
    ]
    assert [event.position for events in plan.events for event in events] == [11, 12]


def test_an_append_that_fails_half_way_leaves_no_trace() -> None:
    good = some_event()
    bad = Append("run-1", 0, [good, type(good)(b"", "t", 1, b"")], lambda _a, _e: None)
    plan = make_plan([bad, append("run-2", 0)], SHARD, {}, 1)
    alone = make_plan([plan.accepted[0]], SHARD, {}, 1)
    assert plan.after == alone.after
    assert [one.id for one in plan.new] == [one.id for one in alone.new]


def test_successors_of_a_refused_append_fail_even_when_they_would_fit() -> None:
    pipeline, other = Pipeline(), Pipeline()
    plan = make_plan(
        [
            append("run-1", 4, pipeline=pipeline),
            append("run-1", 0, pipeline=pipeline),
            append("run-1", 0, pipeline=other),
        ],
        SHARD,
        {},
        1,
    )
    assert [type(error) for _, error in plan.refused] == [
        WrongExpectedVersionError,
        PipelineBrokenError,
    ]
    assert pipeline.broken
    assert not other.broken
    assert len(plan.accepted) == 1


def test_a_plan_that_takes_too_long_leaves_the_rest() -> None:
    appends = [append(f"run-{number}", 0) for number in range(200)]
    plan = make_plan(appends, SHARD, {}, 1, late=lambda: True)
    assert 0 < plan.taken == len(plan.accepted) < 200


def test_nothing_accepted_is_nothing_changed() -> None:
    plan = make_plan([append("run-1", 1)], SHARD, {}, 400)
    assert plan.after == SHARD


@pytest.mark.parametrize("name", ["", "x" * 256, "a\tb", "half \ud800"])
def test_a_new_stream_needs_a_printable_name(name: str) -> None:
    plan = make_plan([append(name, 0)], SHARD, {}, 1)
    assert plan.accepted == []
