"""kill -9 while actors start runs: each run is there once, ended, and its end was told once.

All is counted from outside, when nothing is under way any more.
"""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from crash import life as child
from crash.trip_child import system_of
from inboxes import wait_until_empty
from indelible.testing.contract.builders import url_of

KILLS = 30 if os.environ.get("INDELIBLE_FAULTS") == "1" else 4
LEASE = 1.0
PLACES = ("commit.before", "commit.after", "tell.before", "step.before", "ack.after")


class Life(child.Life):
    module = "trip_child"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return url_of(tmp_path / "s.db")
    return str(request.getfixturevalue("postgres_url"))


def check(url: str, acknowledged: dict[str, int]) -> None:
    """Let what is under way come to its end, and see that all is there once."""
    with system_of(url, LEASE) as system:
        wait_until_empty(system.store)
        planned = {head.stream for head in system.store.heads("trip")}
        assert planned >= {f"trip-{name}" for name in acknowledged}
        over = threading.Event()
        unsubscribe = system.store.subscribe(lambda *_: over.set())
        for stream in planned:
            while system.store.head(stream).version < 2:  # type: ignore[union-attr]
                assert over.wait(60), f"{stream} hears of nothing"
                over.clear()
        unsubscribe()
        for stream in planned:
            for place in range(2):
                assert system.run(f"{stream}/1/{place}").result(60)["status"] == "success"
        for stream in planned:
            types = [event.type for event in system.store.read(stream)]
            assert types == ["trip.planned", "trip.over"]
        assert len(system.store.heads("run")) == 2 * len(planned)
        system.verify()


@pytest.mark.timeout(240)
def test_each_run_is_there_once_however_often_its_process_is_killed(url: str) -> None:
    rng = random.Random(7)  # noqa: S311 - when to kill
    acknowledged: dict[str, int] = {}
    for _ in range(KILLS):
        one = Life(url, lease=LEASE)
        one.wait_for(rng.randrange(1, 40))
        acknowledged |= one.kill()
    check(url, acknowledged)


@pytest.mark.timeout(240)
def test_each_run_is_there_once_wherever_its_process_ends(url: str) -> None:
    acknowledged: dict[str, int] = {}
    for place in PLACES:
        acknowledged |= Life(url, place, 3, LEASE).end()
    check(url, acknowledged)
