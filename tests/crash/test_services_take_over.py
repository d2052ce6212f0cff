"""Two services on one PostgreSQL, one killed again and again: every accepted run ends, once."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path

from crash.run_child import make_system
from crash.scene import Scene
from indelible.events.postgres.store import PostgresEventStore
from indelible.failpoints import Failpoints
from members import LONG

FULL = os.environ.get("INDELIBLE_FAULTS") == "1"
KILLS, BETWEEN = (12, 200) if FULL else (3, 40)
"""``BETWEEN`` two kills each service has so many runs accepted: a new one in the shards of the
killed one."""
LEASE = 2.0


class Service:
    """A child and the thread that listens to it."""

    def __init__(self, scene: Scene) -> None:
        self.process = scene.start("service_child", LEASE, 0.02)
        self._accepted = 0
        self._heard = threading.Condition()
        self._scene = scene
        self._ear = threading.Thread(target=self._listen)
        self._ear.start()

    def _listen(self) -> None:
        while heard := self._scene.listen(self.process, lines=1):
            with self._heard:
                self._accepted += heard[0].startswith("accepted ")
                self._heard.notify_all()

    def advance(self, runs: int) -> None:
        """Wait until it has accepted so many more."""
        with self._heard:
            wanted = self._accepted + runs
            assert self._heard.wait_for(lambda: self._accepted >= wanted, 60)

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        with self.process:
            self._ear.join()
        return self.process.wait()


def test_what_a_killed_service_accepted_is_finished_by_others(
    postgres_url: str, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, postgres_url)
    services = [Service(scene), Service(scene)]
    rng = random.Random(3)  # noqa: S311 - whom to kill
    for _ in range(KILLS):
        for service in services:
            service.advance(BETWEEN)
        unlucky = rng.randrange(2)
        assert services[unlucky].end(signal.SIGKILL) == -signal.SIGKILL
        services[unlucky] = Service(scene)
    for service in services:
        service.advance(BETWEEN)
    assert [service.end(signal.SIGTERM) for service in services] == [0, 0]
    with make_system(
        PostgresEventStore(postgres_url, lease=LONG), str(scene.diary), Failpoints()
    ) as last:
        for head in last.store.heads("run"):  # also those whose acceptance was not heard of
            assert last.run(head.stream[4:]).result(60)["status"] == "success"
    scene.check_the_end()
