"""The verdict on a store: who of its processes counts, and what makes up for what."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from indelible.service.health_report import (
    Health,
    MailboxCounts,
    ShardCounts,
    StepCounts,
    TimerCounts,
)
from indelible.service.process_rows import Process
from indelible.service.survey import HEALTHY, UNHEALTHY, UNSERVED, judge


def process(*, held: int = 1, state: str = "ready", **parts: Any) -> Process:
    health = Health(
        state=state,
        ready=state == "ready",
        why=() if state == "ready" else (f"it is {state}",),
        store="open",
        shards=ShardCounts(held, 4),
        actors=0,
        mailboxes=MailboxCounts(0, 0, ""),
        steps=StepCounts(0, 0, 0),
        threads=1,
        timers=TimerCounts(0, 0.0),
        views={},
        inbox=0,
    )
    known: dict[str, Any] = {
        "id": "p",
        "name": "",
        "host": "h",
        "pid": 7,
        "since": 1,
        "shards": held,
        "report_age_s": 0.5,
        "alive": True,
        "replaced": False,
        "health": health,
    }
    return Process(**{**known, **parts})


def lacking(one: Process, what: str) -> Process:
    assert one.health is not None
    return replace(one, health=replace(one.health, why=(what,)))


@pytest.mark.parametrize(
    ("processes", "wanted", "words"),
    [
        ([], UNSERVED, ["no process serves this store"]),
        ([process(held=4)], HEALTHY, []),
        ([process(held=2), process(held=2)], HEALTHY, []),
        ([process(held=3)], UNHEALTHY, ["ready processes hold 3 of 4 shards"]),
        (
            [process(held=4, alive=False, report_age_s=61.0)],
            UNHEALTHY,
            ["its last report is 61 s old", "hold 0 of 4"],
        ),
        (
            [process(held=4), process(held=4, alive=False, report_age_s=6.0)],
            HEALTHY,
            ["its last report is 6 s old"],
        ),
        (
            [process(held=4), process(held=4, alive=False, replaced=True, report_age_s=0.1)],
            HEALTHY,
            ["another process has taken its place"],
        ),
        ([process(held=4), process(alive=False, report_age_s=None)], HEALTHY, ["lease is over"]),
        (
            [process(held=4), process(held=0, state="unavailable")],
            UNHEALTHY,
            ["is not ready: it is unavailable"],
        ),
        ([process(held=4), process(held=0, state="draining")], HEALTHY, ["it is draining"]),
        ([process(held=4, state="draining")], UNHEALTHY, ["it is draining", "hold 0 of 4"]),
        ([process(held=4), process(health=None)], HEALTHY, ["reports nothing"]),
        ([process(held=4, health=None)], HEALTHY, ["reports nothing"]),
        ([lacking(process(held=4), "a consumer")], HEALTHY, ["7 on h is ready, but: a consumer"]),
        ([process(held=3, health=None)], UNHEALTHY, ["reports nothing", "hold 3 of 4"]),
    ],
)
def test_a_store_is_healthy_if_ready_processes_hold_all_shards(
    processes: list[Process], wanted: int, words: list[str]
) -> None:
    verdict, why = judge(processes, 4)
    assert verdict == wanted
    assert len(why) == len(words)
    for reason, part in zip(why, words, strict=True):
        assert part in reason
