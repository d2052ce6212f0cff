"""A process whose user may have few threads: says what it can do with each number of them.

Starts as root; ``argv[1]`` is a folder that everybody may write.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from pathlib import Path
from typing import Any

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.errors import ThreadUnavailableError
from indelible.threads import refusals

NOBODY = 54_321
"""A user without any other process."""

ATTEMPTS = range(1, 9)
"""Numbers of threads that are tried."""

FLOW = {"name": "w", "steps": [{"name": "a", "type": "blocking"}, {"name": "b", "type": "async"}]}


def blocking() -> int:
    return 1


async def on_loop() -> int:
    return 2


def make(folder: str, name: str) -> ActorSystem:
    system = ActorSystem(f"sqlite:///{folder}/{name}.db")
    system.register_step("blocking", blocking)
    system.register_step("async", on_loop)
    return system


def limit(threads: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (threads, hard))


def try_with(threads: int, folder: str) -> dict[str, Any]:
    told: dict[str, Any] = {"threads": threads, "open": True}
    system = make(folder, f"with-{threads}")
    limit(threads)
    try:
        system.open()
    except ThreadUnavailableError:
        told["open"] = False
        told["left"] = threading.active_count() - 1
        limit(1_000)
        system.open()
        limit(threads)
    happened = threading.Event()
    refused = refusals.add

    def note(*arguments: Any) -> None:
        refused(*arguments)
        happened.set()

    refusals.add = note  # type: ignore[assignment, method-assign]
    agent = system.workflow_agent("a")
    message = agent._start_message(system.compile(FLOW), "r", None)
    started = access_to(system).send("run-r", message, presume_new=True)
    access_to(system).executor.endings.add("run-r", lambda _: happened.set())
    assert happened.wait(50)
    told["ready"] = system.health()["ready"]
    limit(1_000)
    started.get(timeout=50)
    told["status"] = system.run("r").result(50)["status"]
    refusals.add = refused  # type: ignore[method-assign]
    system.close()
    return told


def main(folder: str) -> None:
    # Another user may not be able to read the project, neither modules nor migrations.
    with make(folder, "warm") as system:
        system.workflow_agent("a").execute_workflow(FLOW)
        system.health()
    for threads in ATTEMPTS:
        make(folder, f"with-{threads}").open().close()
    for path in Path(folder).iterdir():
        os.chown(path, NOBODY, NOBODY)
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    sys.stdout.write(json.dumps([try_with(threads, folder) for threads in ATTEMPTS]))


if __name__ == "__main__":
    main(sys.argv[1])
