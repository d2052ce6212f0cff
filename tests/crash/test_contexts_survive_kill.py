"""kill -9 while a run is under way: what it does from then on is still of whom it was begun for."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from crash.processes import Processes
from deciders import Note
from indelible import ActorSystem, Context
from indelible.api.facade import access_to

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = ("one", "two", "three")
DEFINITION = {"name": "w", "steps": [{"name": name, "type": "act"} for name in NAMES]}


@pytest.fixture
def owners(each_url: str) -> Iterator[Processes]:
    """Processes that own the store, and are killed at a failpoint if told so."""
    owners = Processes("context_child", each_url)
    yield owners
    owners.end()


@pytest.mark.parametrize(
    ("place", "count"), [("step.before", 2), ("step.after", 2), ("step.after", 3)]
)
def test_a_run_that_was_cut_off_goes_on_in_its_context(
    owners: Processes, place: str, count: int
) -> None:
    killed = owners.ready(place, count)
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
        owners.ready("", 0)
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
