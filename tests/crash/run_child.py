"""A process to be killed: opens the store, starts the runs it was told to, waits for their ends.

Every step writes down that it ran, outside the store, before it returns.  What the parent reads
on standard output is acknowledged: ``accepted <run>`` after ``start``, ``ended <run> <status>``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from indelible import ActorSystem
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints, KillAt

DEFINITION: dict[str, Any] = {
    "name": "crash",
    "steps": [
        {"name": "first", "type": "act"},
        {
            "name": "both",
            "pattern": "parallel",
            "width": 2,
            "steps": [
                {"name": "left", "type": "act"},
                {"name": "right", "type": "act_async"},
                {
                    "name": "deep",
                    "pattern": "sequential",
                    "steps": [{"name": "d1", "type": "act"}, {"name": "d2", "type": "large"}],
                },
            ],
        },
        {"name": "shaky", "type": "shaky", "retry": {"attempts": 3, "delay": 0.001}},
        {"name": "last", "type": "act"},
    ],
}


def make_system(store: str | EventStore, diary: str, failpoints: Failpoints) -> ActorSystem:
    """A system whose steps keep the diary."""
    file = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(context: Any) -> None:
        line = {"run": context.run_id, "step": context.step_name, "attempt": context.attempt}
        os.write(file, (json.dumps(line) + "\n").encode())

    def act(context: Any, step: Any) -> dict[str, Any]:
        write(context)
        return {"step": context.step_name, "seen": sorted(context)}

    async def act_async(context: Any, step: Any) -> dict[str, Any]:
        return act(context, step)

    def large(context: Any, step: Any) -> dict[str, Any]:
        return {**act(context, step), "filling": "x" * 100_000}

    def shaky(context: Any, step: Any) -> dict[str, Any]:
        if context.attempt == 1:
            raise RuntimeError("fails at first")
        return act(context, step)

    system = ActorSystem(store, failpoints=failpoints, drain=1.0)
    for name, function in (
        ("act", act),
        ("act_async", act_async),
        ("large", large),
        ("shaky", shaky),
    ):
        system.register_step(name, function)
    return system


def main(store: str, diary: str, first: int, runs: int, failpoint: str, count: int) -> None:
    """Start ``runs`` runs from number ``first``, and finish whatever is unfinished."""
    armed = {failpoint: KillAt(count)} if failpoint else {}
    system = make_system(store, diary, Failpoints(armed))
    with system:
        say("open")
        agent = system.workflow_agent("agent")
        for number in range(first, first + runs):
            agent.start(DEFINITION, run_id=f"r{number}", input={"number": number})
            say(f"accepted r{number}")
        for head in system.store.heads("run"):
            run_id = head.stream.partition("-")[2]
            say(f"ended {run_id} {system.run(run_id).result(timeout=300)['status']}")
    say("closed")


def say(line: str) -> None:
    """Tell the parent, at once."""
    os.write(1, (line + "\n").encode())


if __name__ == "__main__":
    store, diary, first, runs, failpoint, count = sys.argv[1:]
    main(store, diary, int(first), int(runs), failpoint, int(count))
