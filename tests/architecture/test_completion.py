"""Completing a name shows what a user may call, and nothing that a system keeps to itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from rlcompleter import Completer
from typing import Any

import pytest

from deciders import Note
from indelible import ActorSystem, step

WORKFLOW = {"name": "w", "steps": [{"name": "s", "type": "one"}]}

SYSTEM = """
    actor anchor anchor_async caught_up caught_up_async clock close close_async compile consume
    consumer consumers context drain drain_async events health health_async ids open open_async
    owns parked rebuild rebuild_async register_function register_step run run_async step store url
    verify verify_async views workflow_agent
"""
VIEWS = "connection cursors lag metrics parked parked_at rebuilt run runs summary"

SHOWN = {
    "system": SYSTEM,
    "client": SYSTEM,
    "agent": """
        execute_workflow execute_workflow_async name start start_async start_many start_many_async
    """,
    "run": """
        events events_async resolve_step resolve_step_async result result_async run_id status
        status_async
    """,
    "actor": "ask ask_async events events_async state state_async stream tell tell_async",
    "system.views": f"as_of {VIEWS}",
    "past": VIEWS,
    "system.parked": "list list_async retry retry_async skip skip_async",
    "system.clock": "cpu monotonic now",
    "system.ids": "text uuid7",
    "events": "close closed cursor url",
    "batch": "count cursor cursor_after index",
    "delivery": "cursor event recorded",
    "consumer": "active close closed commit commit_async committed cursor name url",
    "task": "attempts committed error name state stop wait",
}


@step("one")
def one() -> int:
    """The step of the run."""
    return 1


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a user has at a prompt, by name."""
    url = f"sqlite:///{Path(tmp_path_factory.mktemp('completion')) / 'log.db'}"
    with ExitStack() as stack:
        system = stack.enter_context(ActorSystem(url, steps=[one], actors=[Note()]))
        client = stack.enter_context(ActorSystem(url, mode="client"))
        agent = system.workflow_agent("a")
        run = agent.start(WORKFLOW, run_id="r")
        run.result(20)
        events = stack.enter_context(system.events(live=False))
        consumer = stack.enter_context(system.consumer("billing"))
        batch = next(events)
        yield {
            "system": system,
            "client": client,
            "agent": agent,
            "run": run,
            "actor": system.actor(Note, "c"),
            "past": system.views.as_of({0: 1}),
            "events": events,
            "batch": batch,
            "delivery": batch[0],
            "consumer": consumer,
            "task": system.consume("mail", lambda _: None),
        }


@pytest.mark.parametrize("name", SHOWN)
def test_completing_a_name_shows_what_a_user_may_call(name: str, named: dict[str, Any]) -> None:
    found = Completer(named).attr_matches(f"{name}.")
    shown = {match.removeprefix(f"{name}.").rstrip("()") for match in found}
    assert shown == set(SHOWN[name].split()), "edit SHOWN if the change is meant"
