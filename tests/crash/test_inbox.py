"""Commands between processes: none lost, none twice, though owners die and everybody writes."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from crash.inbox_child import Counter
from crash.processes import Processes
from indelible import ActorSystem

LONG = os.environ.get("INDELIBLE_FAULTS") == "1"
PROCESSES, THREADS = 4, 8
EACH = 100 if LONG else 25  # commands of each thread
KILLS = 20 if LONG else 5
SHORT_LEASE, LONG_LEASE = 1, 3_600
"""Seconds: one that a test can wait for, and one that ends in no test."""


@pytest.fixture
def processes(each_url: str) -> Iterator[Processes]:
    processes = Processes("inbox_child", each_url)
    yield processes
    processes.end()


@pytest.mark.timeout(240)
def test_four_processes_of_eight_threads_meet_no_lock_and_every_command_is_handled_once(
    processes: Processes,
) -> None:
    owner = processes.ready("own", LONG_LEASE)
    askers = [processes.start("ask", "shared", THREADS, EACH) for _ in range(PROCESSES)]
    said = [json.loads(asker.communicate()[0]) for asker in askers]
    assert [asker.returncode for asker in askers] == [0] * PROCESSES
    assert [error for one in said for error in one["errors"]] == []
    replies = sorted(reply for one in said for reply in one["replies"])
    assert replies == list(range(1, PROCESSES * THREADS * EACH + 1))
    assert owner.poll() is None
    own = json.loads(owner.communicate()[0])  # its commits were beside all of theirs
    assert own["errors"] == []
    assert sorted(own["replies"]) == list(range(1, len(own["replies"]) + 1))
    assert own["replies"]
    assert owner.returncode == 0


@pytest.mark.timeout(240)
def test_commands_outlive_every_owner_and_take_effect_once(processes: Processes) -> None:
    owner = processes.ready("own", SHORT_LEASE)
    stop = threading.Event()
    replies: list[int] = []
    errors: list[Any] = []

    def work(client: ActorSystem) -> None:
        while not stop.is_set():
            try:
                replies.append(client.actor("counter", "c").ask(1, timeout=100))
            except Exception as error:  # noqa: BLE001 - looked at below
                errors.append(error)

    with ActorSystem(processes.url, mode="client", actors=[Counter()]) as client:
        askers = [threading.Thread(target=work, args=[client]) for _ in range(4)]
        for asker in askers:
            asker.start()
        for _ in range(KILLS):
            wanted = len(replies) + 10
            while len(replies) < wanted:
                client.actor("counter", "other").ask(1, timeout=100)
            owner.send_signal(signal.SIGKILL)
            owner.communicate()
            owner = processes.ready("own", SHORT_LEASE)
        stop.set()
        for asker in askers:
            asker.join()
        assert errors == []
        assert sorted(replies) == list(range(1, len(replies) + 1))
        assert len(client.actor("counter", "c").events()) == len(replies)
    owner.communicate()
    assert owner.returncode == 0
