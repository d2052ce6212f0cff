"""kill -9 while askers of another process wait for late replies: each gets one, and asked once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import count

import pytest

from crash.late_child import Answered, Asked, Desk
from crash.processes import Processes
from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.errors import RefusedError
from killing import end_leases

KILLS = 60 if os.environ.get("INDELIBLE_FAULTS") == "1" else 5
ASKERS = 6
LEASE = 30
PATIENCE = 100
"""Seconds: a time-out that ends in no test."""


class Askers:
    """Threads that ask, answer their own questions, and wait for the late replies."""

    def __init__(self, client: ActorSystem) -> None:
        self.desk = client.actor(Desk, "a")
        self.got: dict[int, list[int]] = {}
        self.errors: list[BaseException] = []
        self._send = access_to(client).send
        self._stop, self._numbers = threading.Event(), count()
        self._progress = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._run) for _ in range(ASKERS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, replies: int) -> None:
        for _ in range(replies):
            assert self._progress.acquire(timeout=PATIENCE)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                number = next(self._numbers)
                stream, message_id = self.desk.stream, f"q{number}"
                asked = self._send(stream, number, timeout=PATIENCE, message_id=message_id)
                self._answer(number)
                self.got[number] = asked.get(timeout=PATIENCE)
                self._progress.release()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.errors.append(error)

    def _answer(self, number: int) -> None:
        for attempt in count():
            try:
                self.desk.ask([number], timeout=PATIENCE, message_id=f"a{number}/{attempt}")
            except RefusedError:
                continue  # the question comes after it
            return


@pytest.fixture
def owners(each_url: str) -> Iterator[Processes]:
    owners = Processes("late_child", each_url)
    yield owners
    owners.end()


@pytest.mark.timeout(240)
def test_each_asker_elsewhere_gets_one_late_reply_whenever_the_owner_is_killed(
    owners: Processes,
) -> None:
    owner = owners.ready(LEASE)
    with ActorSystem(owners.url, mode="client", actors=[Desk()]) as client:
        askers = Askers(client)
        for kill in range(KILLS):
            askers.wait_for(1 + kill % 3 * 7)
            owner.kill()
            owner.communicate()
            end_leases(owners.url)
            owner = owners.ready(LEASE)
        askers.stop()
        assert askers.errors == []
        types = access_to(client).parts.types
        events = [types.decode(event) for event in askers.desk.events()]
        for kind in (Asked, Answered):
            found = [event.number for event in events if isinstance(event, kind)]
            assert sorted(found) == sorted(askers.got)
        assert all(reply[0] == number for number, reply in askers.got.items())
        assert client.store.inbox.awaiting(askers.desk.stream, 1) == 0
        client.verify()
