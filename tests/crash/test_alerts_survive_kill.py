"""kill -9 while actors alert: the handler has taken every alert, counted in a file outside."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from crash import life as child
from crash.alert_child import system_of
from inboxes import wait_until_empty
from indelible.testing.contract.builders import url_of

KILLS = 30 if os.environ.get("INDELIBLE_FAULTS") == "1" else 3
LEASE = 1.0
PLACES = ("commit.before", "commit.after", "tell.before", "ack.after")


class Life(child.Life):
    module = "alert_child"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return url_of(tmp_path / "s.db")
    return str(request.getfixturevalue("postgres_url"))


def check(url: str, file: Path, acknowledged: dict[str, int], deaths: int) -> None:
    """Let what is under way come to its end, and see that all was taken."""
    with system_of(url, str(file), LEASE) as system:
        wait_until_empty(system.store)
        events = {head.stream: head.version for head in system.store.heads("alarm")}
        assert all(events[f"alarm-{name}"] >= version for name, version in acknowledged.items())
        taken = Counter(file.read_text().split())
        assert set(taken) == {
            f"{stream}/{version}/0"
            for stream, newest in events.items()
            for version in range(1, newest + 1)
        }
        assert max(taken.values()) <= 1 + deaths
        system.verify()


@pytest.mark.timeout(240)
def test_each_alert_is_taken_however_often_its_process_is_killed(url: str, tmp_path: Path) -> None:
    rng, file = random.Random(8), tmp_path / "taken"  # noqa: S311 - when to kill
    acknowledged: dict[str, int] = {}
    for _ in range(KILLS):
        one = Life(url, "", 0, LEASE, str(file))
        one.wait_for(rng.randrange(1, 60))
        acknowledged |= one.kill()
    check(url, file, acknowledged, KILLS)


@pytest.mark.timeout(240)
def test_each_alert_is_taken_wherever_its_process_ends(url: str, tmp_path: Path) -> None:
    file = tmp_path / "taken"
    acknowledged: dict[str, int] = {}
    for place in PLACES:
        acknowledged |= Life(url, place, 3, LEASE, str(file)).end()
    check(url, file, acknowledged, len(PLACES))
