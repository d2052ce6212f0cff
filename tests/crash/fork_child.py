"""A process that forks a child for each public call, while other threads hold every lock.

``python -m crash.fork_child URL [MODE...]`` prints, as JSON, what each call came to in a child, of
a system that owns the store and of one in each mode.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

from deciders import Note
from indelible import ActorSystem, step

PATIENCE = 20
"""Seconds after which a child hangs."""

DEFINITION = {"name": "w", "steps": [{"name": "s", "type": "one"}]}


@step("one")
def one() -> int:
    """The step of the run."""
    return 1


class Things:
    """What the parent has made before it forks."""

    def __init__(self, system: ActorSystem, mode: str) -> None:
        self.system = system
        self.agent = system.workflow_agent("a")
        self.run = system.run("r1")
        self.actor = system.actor("note", "n")
        self.views = system.views
        self.parked = system.parked
        self.past = system.events(live=False)
        self.live = system.events()
        next(self.live)
        if mode == "own":
            self.consumer = system.consumer("billing")
            self.batch = next(self.consumer)
            self.task = system.consume("mail", lambda _: None)


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "system.register_step": ("two", lambda: 2),
    "system.register_function": ("f", len),
    "system.step": ("three",),
    "system.run": ("r1",),
    "system.run_async": ("r1",),
    "system.workflow_agent": ("a",),
    "system.actor": ("note", "n"),
    "system.compile": (DEFINITION,),
    "system.drain": (0,),
    "system.drain_async": (0,),
    "system.rebuild": ("metrics",),
    "system.rebuild_async": ("metrics",),
    "system.consumer": ("other",),
    "system.consume": ("other", print),
    "agent.start": (DEFINITION,),
    "agent.start_async": (DEFINITION,),
    "agent.start_many": ([(None, None)], DEFINITION),
    "agent.start_many_async": ([(None, None)], DEFINITION),
    "agent.execute_workflow": (DEFINITION,),
    "agent.execute_workflow_async": (DEFINITION,),
    "run.resolve_step": ("s", "retry"),
    "run.resolve_step_async": ("s", "retry"),
    "actor.ask": (1,),
    "actor.ask_async": (1,),
    "actor.tell": (1,),
    "actor.tell_async": (1,),
    "views.as_of": ({0: 1},),
    "views.run": ("r1",),
    "views.parked_at": ("metrics", 0, 1),
    "views.rebuilt": ("metrics",),
    "parked.retry": ("metrics", 0, 1),
    "parked.retry_async": ("metrics", 0, 1),
    "parked.skip": ("metrics", 0, 1),
    "parked.skip_async": ("metrics", 0, 1),
    "consumer.commit": ({0: 1},),
    "consumer.commit_async": ({0: 1},),
}
KEYWORDS: dict[str, dict[str, Any]] = {
    "run.resolve_step": {"by": "me"},
    "run.resolve_step_async": {"by": "me"},
}
NOT_CALLED = {
    # what asks nothing of the store
    "system": {"owns"},
    "past": {"close"},
    "live": {"close"},
    "consumer": {"close"},
}


def calls(things: Things) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every public method and property of what the parent has made, by name."""
    for name, thing in vars(things).items():
        for method in dir(type(thing)):
            called = f"{name}.{method}"
            if name == "batch" or method.startswith("_") or method in NOT_CALLED.get(name, ()):
                continue
            if isinstance(getattr(type(thing), method), property):
                if name == "system":
                    yield called, partial(getattr, thing, method)
            else:
                yield called, partial(_call, thing, method, called)
        if name in {"past", "live", "consumer"}:
            yield f"next({name})", partial(next, thing)
            yield f"anext({name})", partial(anext, thing)


def _call(thing: Any, method: str, called: str) -> Any:
    arguments, keywords = ARGUMENTS.get(called, ()), KEYWORDS.get(called, {})
    result = getattr(thing, method)(*arguments, **keywords)
    return result(one) if called == "system.step" else result


@contextmanager
def all_locks_held() -> Iterator[int]:
    """Have another thread hold every free lock of this library, as many as there are."""
    found: list[Any] = []
    kinds = (type(threading.Lock()), type(threading.RLock()))
    for thing in gc.get_objects():
        module = getattr(type(thing), "__module__", "")
        if not isinstance(module, str) or not module.startswith("indelible"):
            continue
        slots = [s for cls in type(thing).__mro__ for s in getattr(cls, "__slots__", ())]
        values = [*getattr(thing, "__dict__", {}).values()]
        values += [getattr(thing, s, None) for s in slots if s not in {"__weakref__", "__dict__"}]
        for value in (*values, *vars(type(thing)).values()):
            lock = getattr(value, "_cond", value)
            lock = getattr(lock, "_lock", lock)
            if isinstance(lock, kinds):
                found.append(lock)
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("indelible"):
            found += [value for value in vars(module).values() if isinstance(value, kinds)]
    held, release = threading.Event(), threading.Event()
    count: list[int] = []

    def hold() -> None:
        locked = [lock for lock in found if lock.acquire(blocking=False)]
        count.append(len(locked))
        held.set()
        release.wait()
        for lock in locked:
            lock.release()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        yield count[0]
    finally:
        release.set()
        holder.join()


def in_child(call: Callable[[], Any]) -> tuple[int, int]:
    """Start ``call`` in a forked child: its process, and a pipe that tells what it comes to."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        os.write(writing, _outcome(call).encode())
        os._exit(0)
    os.close(writing)
    return child, reading


def outcome_of(child: int, reading: int) -> str:
    """The name of an error, or what the call returned."""
    with open(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return said if status == 0 else f"hangs, or dies: {status}"


def _outcome(call: Callable[[], Any]) -> str:
    try:
        result = call()
        if isinstance(result, AbstractContextManager):
            result.__enter__()
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        return type(error).__name__
    return f"returned {result!r}"[:200]


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def main(url: str, modes: list[Any]) -> None:
    """Fork once for each call, and print what came of it, and whether the parent goes on."""
    with ExitStack() as stack:
        owning = stack.enter_context(ActorSystem(url, steps=[one], actors=[Note()], drain=1))
        owning.workflow_agent("a").start(DEFINITION, run_id="r1").result(PATIENCE)
        owning.actor("note", "n").ask(1)
        things = {"own": Things(owning, "own")}
        for mode in modes:
            system = ActorSystem(url, mode=mode, actors=[Note()], steps=[one])
            things[mode] = Things(stack.enter_context(system), mode)
        with all_locks_held() as locks:
            children = {
                f"{mode}: {name}": in_child(call)
                for mode, made in things.items()
                for name, call in calls(made)
            }
        said = {name: outcome_of(*child) for name, child in children.items()}
        after = owning.workflow_agent("a").start(DEFINITION, run_id="r2").result(PATIENCE)
        said |= {"parent": after["status"], "locks": str(locks)}
        sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
