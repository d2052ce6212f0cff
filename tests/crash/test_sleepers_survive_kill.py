"""kill -9 while many runs sleep: each is tried again in time, once, by whoever is there then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crash.processes import Processes
from crash.sleeper_child import DELAY
from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.events.model.run_events import StepFailed, StepsStarted

RUNS = 1_000


@pytest.fixture
def owners(each_url: str) -> Iterator[Processes]:
    owners = Processes("sleeper_child", each_url)
    yield owners
    owners.end()


def test_each_run_that_sleeps_when_its_process_is_killed_is_tried_again_once(
    owners: Processes,
) -> None:
    child = owners.ready(0, RUNS)
    child.kill()
    child.wait()
    owners.ready(DELAY, 0)
    with ActorSystem(owners.url, mode="client") as client:
        decode = access_to(client).parts.types.decode
        for number in range(RUNS):
            run = client.run(f"r{number}")
            assert run.result(timeout=60)["result"] == {"s": 2}
            _accepted, failed, again, *end = map(decode, run.events())
            assert isinstance(failed, StepFailed)
            assert isinstance(again, StepsStarted)
            assert again.reason == "retry", "no attempt was cut off"
            assert failed.at + DELAY * 1_000_000 == failed.retry_at <= again.at
            assert len(end) == 2
        client.verify()
