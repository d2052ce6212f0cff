"""kill -9 while a run is under way: what it does from then on is still of whom it was begun for."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.context_child import Note
from indelible import ActorSystem, Context
from indelible.facade import access_to
from indelible.testing.builders import url_of

CHILD = Path(__file__).with_name("context_child.py")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = ("one", "two", "three")
DEFINITION = {"name": "w", "steps": [{"name": name, "type": "act"} for name in NAMES]}


class Owners:
    """Processes that own one store, one after the other."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._started: list[subprocess.Popen[str]] = []

    def start(self, failpoint: str = "", count: int = 0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(CHILD), self.url, failpoint, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture(params=["sqlite", "postgres"])
def owners(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Owners]:
    is_file = request.param == "sqlite"
    owners = Owners(
        url_of(tmp_path / "s.db") if is_file else request.getfixturevalue("postgres_url")
    )
    yield owners
    owners.end()


@pytest.mark.parametrize(
    ("place", "count"), [("step.before", 2), ("step.after", 2), ("step.after", 3)]
)
def test_a_run_that_was_cut_off_goes_on_in_its_context(
    owners: Owners, place: str, count: int
) -> None:
    killed = owners.start(place, count)
    with ActorSystem(owners.url, mode="client", actors=[Note()]) as client:
        with client.context(
            by="ada",
            why="month end",
            tenant="acme",
            correlation_id="req-1",
            causation_id="queue/7",
            traceparent=PARENT,
        ):
            run = client.workflow_agent("shop").start(DEFINITION, run_id="r")
        assert killed.wait(60) == -signal.SIGKILL
        client.actor(Note, "told").tell("while nobody owns the store", by="ben")
        owners.start()
        assert run.result(60)["status"] == "success"

        first, *later = run.events()
        assert first.context == Context("req-1", "queue/7", "ada", "acme", "month end", PARENT)
        assert "recovered" in {
            getattr(access_to(client).parts.types.decode(event), "reason", "") for event in later
        }
        inherited = Context("req-1", "", "ada", "acme", "month end", PARENT)
        assert {event.context for event in later} == {inherited}

        for name in NAMES:  # asked by a step before the kill, or after it, or both
            asked = {event.context for event in client.actor(Note, f"r/{name}").events()}
            assert asked == {
                Context("req-1", f"run-r/{name}", "ada", "acme", "month end", PARENT, "", "shop")
            }
        client.actor(Note, "told").ask("comes after what has waited in the inbox")
        told, _ = client.actor(Note, "told").events()
        assert told.context == Context("told", principal="ben")
        client.verify()
