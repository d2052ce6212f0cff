"""kill -9 among timers: each that was acknowledged rings, and rings once."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from alarms import Alarm, Off
from crash.alarm_child import ACTORS
from crash.processes import Processes
from indelible import ActorSystem
from indelible.api.facade import access_to
from killing import end_leases

KILL_AFTER = (5, 41, 17, 1, 59, 30)
"""Alarms that are acknowledged before each kill."""

ROUNDS = 17 if os.environ.get("INDELIBLE_FAULTS") == "1" else 1
"""How often that is done; together 204 kills, on both databases."""

MOST = 10_000


@pytest.fixture
def owners(each_url: str) -> Iterator[Processes]:
    owners = Processes("alarm_child", each_url)
    yield owners
    owners.end()


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_each_timer_rings_once_whenever_its_process_is_killed(
    owners: Processes, _round: int
) -> None:
    acknowledged = set[str]()
    for kill, heard in enumerate(KILL_AFTER):
        child = owners.start(kill * MOST, (kill + 1) * MOST)
        assert child.stdout is not None
        acknowledged |= {f"k{int(child.stdout.readline())}" for _ in range(heard)}
        child.kill()
        acknowledged |= {f"k{int(line)}" for line in child.stdout}
        end_leases(owners.url)
    owners.ready(0, 0)
    with ActorSystem(owners.url, mode="client", actors=[Alarm()]) as client:
        alarms = [client.actor(Alarm, f"a{n}") for n in range(ACTORS)]
        end = time.monotonic() + 60
        soon = client.clock.now() + 10_000_000  # a kill may have left one that is due in a minute
        while any(due < soon for alarm in alarms for due in alarm.state()["set"].values()):
            assert time.monotonic() < end, [alarm.state() for alarm in alarms]
            time.sleep(0.05)
        rang, cancelled = Counter[str](), set[str]()
        for alarm in alarms:
            for recorded in alarm.events():
                event = access_to(client).parts.types.decode(recorded)
                if isinstance(event, Off):
                    (rang.update if event.rang else cancelled.update)([event.key])
        assert set(rang.values()) == {1}
        assert acknowledged <= rang.keys()
        assert not cancelled & rang.keys()
        client.verify()
