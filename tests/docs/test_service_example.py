"""The example service: two real workers on loopback, one of which is killed under its runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.service.survey import HEALTHY, UNSERVED, take_survey

ROOT = Path(__file__).parents[2]
README = (ROOT / "examples" / "service" / "README.md").read_text()
TRIES = 2_000  # requests until a worker that is being replaced must answer


class Service:
    """The workers behind one port."""

    def __init__(self, store: str) -> None:
        """Start them as the README says."""
        self.store = store
        command = re.findall(r"^uvicorn (.*)$", README, re.MULTILINE)[0].split()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *command, "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "STORE": store},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        self._log = self._process.stderr
        self._reader = ThreadPoolExecutor(1)
        self.port = 0

    def wait(self) -> None:
        """Until both workers are up."""
        seen, started = "", 0
        while started < 2:
            line = self._log.readline()
            assert line, seen
            seen += line
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
            started += "startup complete" in line
        self._rest = self._reader.submit(self._log.read)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request on a connection of its own; status and JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def insist(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The same until it is answered, as a caller would who knows that repeating is safe."""
        for _ in range(TRIES):
            try:
                status, answer = self.ask(method, path, body)
            except (OSError, HTTPException):
                continue
            if status != 503:
                return status, answer
        pytest.fail(f"{method} {path} was never answered")

    def workers(self, count: int = 2) -> dict[int, bool]:
        """Whether each worker owns the store or a part of it, by process id, once all answer."""
        seen: dict[int, bool] = {}
        with ThreadPoolExecutor(8) as callers:
            for _ in range(TRIES):
                for _, answer in callers.map(lambda _: self.insist("GET", "/health"), range(8)):
                    seen[answer["pid"]] = answer["owns"]
                if len(seen) >= count:
                    return seen
        pytest.fail(f"only the workers {seen} answered")

    def result(self, run_id: str) -> Any:
        """The result of a run, once it has ended."""
        while True:
            status, run = self.insist("GET", f"/runs/{run_id}")
            assert status == 200, run
            if run["outcome"] is not None:
                assert run["outcome"] == "success", run
                return run["result"]["say"]

    def verdict(self) -> int:
        """What a look from outside says."""
        with ActorSystem(self.store, mode="read") as system:
            return take_survey(access_to(system).parts).verdict

    def stop(self) -> tuple[int, str]:
        """End it in order; the exit code and what was logged."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(50)
        return code, self._rest.result()

    def end(self) -> None:
        """End what a failed test has left."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        self._reader.shutdown()
        self._log.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    if request.param == "sqlite":
        store = f"sqlite:///{tmp_path}/service.db"
    else:
        store = request.getfixturevalue("postgres_url")
    service = Service(store)
    try:
        service.wait()
        yield service
    finally:
        service.end()


def test_both_workers_take_runs_and_show_those_of_the_other(service: Service) -> None:
    owning = service.workers()
    shared = service.store.startswith("postgresql")
    assert sorted(owning.values()) == ([True, True] if shared else [False, True])
    with ThreadPoolExecutor(8) as callers:
        started = list(
            callers.map(
                lambda i: service.insist("POST", "/runs", {"name": "Ada", "run_id": f"r{i}"}),
                range(16),
            )
        )
    assert {status for status, _ in started} == {202}
    assert started[3][1] == {"run_id": "r3", "run": "/runs/r3"}
    assert {service.result(f"r{i}") for i in range(16)} == {"Hello, Ada!"}
    assert service.ask("POST", "/runs", {"name": "Bob", "run_id": "r3"})[0] == 409
    assert service.ask("POST", "/runs", {"no": "name"})[0] == 400
    assert service.ask("GET", "/runs/none")[0] == 404
    for _ in range(TRIES):  # shards that change hands are nobody's for a moment
        if service.verdict() == HEALTHY:
            break
    assert service.verdict() == HEALTHY
    code, log = service.stop()
    assert code == 0, log
    assert "Traceback" not in log
    assert service.verdict() == UNSERVED


@pytest.mark.timeout(120)
def test_runs_of_a_worker_that_is_killed_go_on(service: Service) -> None:
    owner = next(pid for pid, owns in service.workers().items() if owns)
    for i in range(8):
        service.insist("POST", "/runs", {"name": "Grace", "run_id": f"r{i}"})
    os.kill(owner, signal.SIGKILL)
    for i in range(8, 16):
        status, answer = service.insist("POST", "/runs", {"name": "Grace", "run_id": f"r{i}"})
        assert status == 202, answer
    assert {service.result(f"r{i}") for i in range(16)} == {"Hello, Grace!"}
    assert owner not in service.workers()
    assert service.stop()[0] == 0
