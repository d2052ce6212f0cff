"""Ids are UUIDs of version 7, rise within one instance, and never repeat."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.clock import ManualClock
from indelible.ids import Ids, SeededIds


def several(ids: Ids, count: int) -> list[bytes]:
    return [ids.uuid7() for _ in range(count)]


def milliseconds(uuid: bytes) -> int:
    return int.from_bytes(uuid[:6], "big")


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    clock = ManualClock(now=1_700_000_000_123_456)
    made = Ids(clock).uuid7()
    uuid = UUID(bytes=made)
    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")
    assert milliseconds(made) == 1_700_000_000_123


def test_text_is_the_usual_form() -> None:
    text = Ids().text()
    assert str(UUID(text)) == text
    assert UUID(text).version == 7


@given(st.lists(st.tuples(st.integers(1, 5_000), st.floats(0, 0.01)), max_size=8))
def test_ids_rise_whatever_the_clock_does(batches: list[tuple[int, float]]) -> None:
    clock = ManualClock(now=1_000_000)
    ids = Ids(clock)
    made: list[bytes] = []
    for count, step in batches:
        made += several(ids, count)
        clock.advance(step)
    assert made == sorted(set(made))
    assert {UUID(bytes=one).version for one in made} <= {7}


def test_more_ids_than_a_millisecond_counts_borrow_from_the_next() -> None:
    ids = Ids(ManualClock(now=1_000_000))
    made = several(ids, 4_097)
    assert {milliseconds(one) for one in made} == {1_000, 1_001}


def test_ids_still_rise_when_the_host_clock_is_set_back() -> None:
    class Back(ManualClock):
        def now(self) -> int:
            return next(readings)

    readings = iter([9_000_000, 1_000_000, 9_500_000])
    ids = Ids(Back())
    made = [ids.uuid7() for _ in range(3)]
    assert made == sorted(made)
    assert milliseconds(made[1]) == 9_000


def test_threads_never_get_the_same_id() -> None:
    ids = Ids()
    with ThreadPoolExecutor(4) as pool:
        made = [
            one for batch in pool.map(lambda count: several(ids, count), [50] * 80) for one in batch
        ]
    assert len(set(made)) == 4_000


def test_a_forked_process_draws_tails_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([bytes([1]) * 4_096, bytes([2]) * 4_096])
    clock = ManualClock(now=1_000_000)
    ids = Ids(clock, lambda count: next(drawn)[:count])
    in_parent = ids.uuid7()
    monkeypatch.setattr("indelible.ids.os.getpid", lambda: -2)
    clock.advance(0.001)
    assert ids.uuid7()[9:15] == bytes([2]) * 6
    assert in_parent[9:15] == bytes([1]) * 6


def test_a_child_forked_within_a_millisecond_makes_no_id_of_its_parent_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = iter([bytes([1]) * 4_096, bytes([2]) * 4_096])
    ids = Ids(ManualClock(), lambda count: next(drawn)[:count])
    ids.uuid7()
    monkeypatch.setattr("indelible.ids.os.getpid", lambda: -2)
    ids._forked(os.getpid())  # what every child calls first
    assert ids.uuid7()[9:15] == bytes([2]) * 6


def test_one_seed_reproduces_the_same_ids() -> None:
    first, again, other = (several(SeededIds(seed, ManualClock()), 3_000) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_no_tail_is_used_twice() -> None:
    ids = Ids(ManualClock())
    tails = [one[8:] for _ in range(40) for one in several(ids, 100)]
    assert len(set(tails)) == len(tails)
