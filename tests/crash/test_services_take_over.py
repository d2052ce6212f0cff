"""Two services on one PostgreSQL, one killed again and again: every accepted run ends, once."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

from crash.run_child import make_system
from crash.scene import Scene
from indelible.events.postgres.store import PostgresEventStore
from indelible.failpoints import Failpoints

FULL = os.environ.get("INDELIBLE_FAULTS") == "1"
KILLS, BETWEEN, LEASE = (12, 10.0, 2.0) if FULL else (3, 2.5, 1.0)


class Service:
    """A child and the thread that listens to it."""

    def __init__(self, scene: Scene) -> None:
        self.process = scene.start("service_child", LEASE, 0.02)
        self.opened = threading.Event()
        self._scene = scene
        self._ear = threading.Thread(target=self._listen)
        self._ear.start()

    def _listen(self) -> None:
        while heard := self._scene.listen(self.process, lines=1):
            if heard == ["open"]:
                self.opened.set()

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
    assert all(service.opened.wait(60) for service in services)
    rng = random.Random(3)  # noqa: S311 - whom to kill
    for _ in range(KILLS):
        time.sleep(BETWEEN)  # load, while nothing fails: the length of the test is its point
        unlucky = rng.randrange(2)
        assert services[unlucky].end(signal.SIGKILL) == -signal.SIGKILL
        services[unlucky] = Service(scene)
    assert all(service.opened.wait(60) for service in services)
    assert [service.end(signal.SIGTERM) for service in services] == [0, 0]
    with make_system(
        PostgresEventStore(postgres_url, lease=LEASE), str(scene.diary), Failpoints()
    ) as last:
        for run_id in sorted(scene.accepted):
            assert last.run(run_id).result(60)["status"] == "success"
    scene.check_the_end()
