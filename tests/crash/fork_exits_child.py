"""Processes whose forked children end in every way, while the parent goes on.

``python fork_exits_child.py steps URL`` runs a step for each way; ``... outlives URL closes`` (or
``dies``) leaves a child behind that ends, as any program does, when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from indelible import ActorSystem, step
from indelible.errors import ForkedError

PATIENCE = 20
"""Seconds after which a child hangs."""

WAYS = ("returns", "raises", "exits")


def forked(child: Callable[[], Any]) -> tuple[bool, Any]:
    """In the child ``(True, what child() returns)``, in the parent ``(False, exit status)``."""
    process = os.fork()
    if process == 0:
        signal.alarm(PATIENCE)
        return True, child()
    return False, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def ending(how: str) -> Any:
    """End as ``how`` says."""
    if how == "raises":
        raise ValueError("raised in a child")
    if how == "exits":
        sys.exit(3)
    return None


@step("plain")
def plain(how: str) -> Any:
    """Fork in a blocking step."""
    return forked(lambda: ending(how))[1]


@step("async")
async def asynchronous(how: str) -> Any:
    """Fork in an asynchronous step."""
    return forked(lambda: ending(how))[1]


@step("awaits")
async def awaits(how: str) -> Any:
    """Fork in an asynchronous step whose child goes on waiting for what other tasks do."""
    future = asyncio.get_running_loop().create_future()
    in_child, status = forked(lambda: None)
    if in_child:
        await future
    return status


def asks(system: ActorSystem) -> None:
    """Be a child that tries what it must not."""
    try:
        system.views.runs()
    except ForkedError:
        sys.exit(4)


def steps(url: str) -> None:
    """Print the exit status of each child, and how the runs of the parent ended."""
    system = ActorSystem(url, steps=[plain, asynchronous, awaits], drain=1)

    @system.step("multiprocessing")
    def in_process(how: str) -> Any:
        process = multiprocessing.get_context("fork").Process(target=asks, args=[system])
        process.start()
        process.join(PATIENCE)
        return process.exitcode

    with system:
        said: dict[str, Any] = {}
        agent = system.workflow_agent("a")
        for kind, ways in {
            "plain": WAYS,
            "async": WAYS,
            "awaits": ("waits",),
            "multiprocessing": ("asks",),
        }.items():
            for how in ways:
                one = {"name": "s", "type": kind, "params": {"how": how}}
                run = agent.start({"name": "w", "steps": [one]}, run_id=f"{kind}-{how}")
                outcome = run.result(PATIENCE)
                said[run.run_id] = [outcome["status"], outcome["result"]["s"], len(run.events())]
        said["handler"] = handled(system)
        said["main"] = forked_from_main(system)
        agent.start(
            {"name": "w", "steps": [{"name": "s", "type": "plain", "params": {"how": "returns"}}]}
        ).result(PATIENCE)
        said["verified"] = system.store.verify() == len(
            [e for b in system.events(live=False) for e in b]
        )
    sys.stdout.write(json.dumps(said))


def handled(system: ActorSystem) -> Any:
    """Fork in the handler of a consumer."""
    status: list[int] = []
    done = threading.Event()

    def handler(_: object) -> None:
        if not status:
            status.append(forked(lambda: ending("raises"))[1])
        done.set()

    task = system.consume("forks", handler)
    done.wait(PATIENCE)
    task.stop(PATIENCE)
    return status[0]


def forked_from_main(system: ActorSystem) -> Any:
    """Fork where a program forks, with a child that ends as a program does."""
    process = os.fork()
    if process == 0:
        signal.alarm(PATIENCE)
        sys.exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def outlives(url: str, parent: str) -> None:
    """Leave a child that ends when it is told to, long after its parent."""
    system = ActorSystem(url, steps=[step("one")(lambda: 1)]).open()
    definition = {"name": "w", "steps": [{"name": "s", "type": "one"}]}
    system.workflow_agent("a").start(definition).result(PATIENCE)
    system.views.runs()
    if os.fork() == 0:
        sys.stdin.read()
        sys.exit(0)
    if parent == "closes":
        system.close()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "steps":
        steps(sys.argv[2])
    else:
        outlives(sys.argv[2], sys.argv[3])
