"""kill -9 among calls: each that was promised comes back once, and is not made again after that."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.processes import Processes
from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.events.model.call_events import EFFECT_EVENTS, CallBegan
from killing import end_leases
from orders import Charged, Order

KILL_AFTER = (5, 41, 17, 1, 59, 30)
"""Orders that are accepted before each kill."""

ROUNDS = 17 if os.environ.get("INDELIBLE_FAULTS") == "1" else 1
"""How often that is done; together 204 kills, on both databases."""

MOST = 10_000


@pytest.fixture
def owners(each_url: str) -> Iterator[Processes]:
    owners = Processes("order_child", each_url)
    yield owners
    owners.end()


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_each_call_comes_back_once_whenever_its_process_is_killed(
    owners: Processes, tmp_path: Path, _round: int
) -> None:
    accepted, told = set[int](), tmp_path / "charges"
    for kill, heard in enumerate(KILL_AFTER):
        child = owners.start(told, kill * MOST, (kill + 1) * MOST)
        assert child.stdout is not None
        accepted |= {int(child.stdout.readline()) for _ in range(heard)}
        child.kill()
        accepted |= {int(line) for line in child.stdout}
        end_leases(owners.url)
    owners.ready(told, 0, 0)
    with ActorSystem(owners.url, mode="client", actors=[Order()]) as client:
        orders = {number: client.actor(Order, str(number)) for number in accepted}
        end = time.monotonic() + 90
        for number, order in orders.items():
            while order.state()["is"] == "placed":
                assert time.monotonic() < end, (number, order.events())
                time.sleep(0.02)
        charges = defaultdict[str, list[int]](list)
        for line in told.read_text().splitlines():
            key, attempt = line.split()
            charges[key].append(int(attempt))
        types = access_to(client).parts.types
        for number, order in orders.items():
            events = [types.decode(event) for event in order.events()]
            *engine, last = events[1:]
            assert {type(event) for event in engine} <= set(EFFECT_EVENTS)
            assert isinstance(last, Charged)
            made = charges[f"order-{number}/1/0"]
            assert made == sorted(set(made))  # no attempt was made twice
            began = {1} | {event.attempt for event in engine if isinstance(event, CallBegan)}
            assert set(made) <= began  # and none before it was in the log
            assert made[-1] == last.attempt  # and none after the answer
        client.verify()
