"""An ASGI app that starts durable runs and shows them; each worker process embeds a system.

On PostgreSQL every worker owns some of the store's shards.  A SQLite store has one owner: the first
worker; the others send it commands through the store's inbox.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from indelible import ActorSystem, IndelibleError, RunExistsError, UnknownRunError, step
from indelible.errors import (
    DefinitionError,
    RefusedError,
    SchemaVersionError,
    StoreCorruptError,
    StoreNotFoundError,
    StoreOwnedError,
)
from indelible.reports import Reporter

STORE = os.environ.get("STORE", "sqlite:///service.db")
DRAIN = 20.0  # seconds; less than the process manager waits before it kills a worker

GREETING = {
    "name": "greeting",
    "steps": [
        {"name": "look", "type": "look_up", "params": {"name": {"ref": "input.name"}}},
        {"name": "say", "type": "greet", "params": {"person": {"ref": "steps.look"}}},
    ],
}


@step("look_up")
async def look_up(name: str) -> dict[str, Any]:
    """Look up a person; in place of a slow call to another service."""
    await asyncio.sleep(0.1)
    return {"name": name, "known": name.istitle()}


@step("greet")
def greet(person: dict[str, Any]) -> str:
    """Say hello."""
    return f"Hello, {person['name']}!" if person["known"] else f"Who is {person['name']}?"


async def start(request: Request) -> JSONResponse:
    """``POST /runs`` with ``{"name": "Ada", "run_id": "any id, if you like"}``.

    The run is durable when the response is sent.  The same id again is the same run, so a caller
    without a response may repeat the request.
    """
    try:
        body = await request.json()
        name, run_id = body["name"], body.get("run_id")
    except (ValueError, KeyError, TypeError, AttributeError):
        return JSONResponse({"error": 'send JSON such as {"name": "Ada"}'}, 400)
    system: ActorSystem = request.app.state.system
    agent = system.workflow_agent("greeter")
    run = await agent.start_async(GREETING, run_id=run_id, input={"name": name})
    place = f"/runs/{run.run_id}"
    return JSONResponse({"run_id": run.run_id, "run": place}, 202, {"Location": place})


async def show(request: Request) -> JSONResponse:
    """``GET /runs/ID``: the run's status, and its result once it has ended."""
    system: ActorSystem = request.app.state.system
    run = await system.run_async(request.path_params["run_id"])
    status = await run.status_async()
    shown: dict[str, Any] = {key: status[key] for key in ("run_id", "state", "outcome", "error")}
    if status["outcome"] is not None:
        shown["result"] = (await run.result_async(10))["result"]
    return JSONResponse(shown)


async def health(request: Request) -> JSONResponse:
    """``GET /health``: 200 while this worker can accept runs, else 503; always with figures."""
    system: ActorSystem = request.app.state.system
    found = await system.health_async()
    worker = {"pid": os.getpid(), "owns": system.owns}
    return JSONResponse({**worker, **found}, 200 if found["ready"] else 503)


async def refuse(_request: Request, error: Exception) -> JSONResponse:
    """Turn an error of the library into a response."""
    codes = {
        UnknownRunError: 404,
        RunExistsError: 409,
        DefinitionError: 422,
        RefusedError: 422,
    }
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), 503)
    return JSONResponse({"error": str(error)}, code)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open a system while the worker lives; drain an owner before it closes."""
    async with AsyncExitStack() as stack:
        system = await open_system(STORE)
        stack.push_async_callback(system.close_async)
        if system.owns:
            reporter = await asyncio.to_thread(Reporter(system, "service").__enter__)
            stack.push_async_callback(asyncio.to_thread, reporter.stop)
            stack.push_async_callback(system.drain_async, DRAIN)
        app.state.system = system
        yield


async def open_system(url: str) -> ActorSystem:
    """A system that owns the store at ``url``, or shards of it; or a client of its owner."""
    for _ in range(100):
        try:
            return await make_system(url, "own").open_async()
        except StoreOwnedError:
            pass
        try:
            return await make_system(url, "client").open_async()
        except (StoreNotFoundError, StoreCorruptError, SchemaVersionError):
            await asyncio.sleep(0.05)  # the owner is still creating the store
    raise TimeoutError(f"the owner of {url} has not created it in time")


def make_system(url: str, mode: Literal["own", "client"]) -> ActorSystem:
    """A system with the steps of this module."""
    return ActorSystem(url, steps=[look_up, greet], mode=mode, drain=DRAIN)


app = Starlette(
    routes=[
        Route("/runs", start, methods=["POST"]),
        Route("/runs/{run_id}", show),
        Route("/health", health),
    ],
    lifespan=lifespan,
    exception_handlers={IndelibleError: refuse},
)
