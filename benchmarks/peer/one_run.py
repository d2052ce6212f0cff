"""One run of a peer, durable after each step: ``one_run.py NAME STEPS FOLDER`` prints steps/s."""

from __future__ import annotations

import sqlite3
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

NOT_INSTALLED = 3


class Counted(TypedDict):
    """The state of the graph."""

    n: int


def connected(file: Path) -> sqlite3.Connection:
    """A connection with the durability of the others: WAL, and each commit synced to disk."""
    connection = sqlite3.connect(file, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def burr(steps: int, folder: Path) -> float:
    """An application of one action, whose state is persisted after each step."""
    core = import_module("burr.core")
    persistence = import_module("burr.core.persistence")

    def count(state: Any) -> Any:
        return state.update(n=state["n"] + 1)

    action = core.action(reads=["n"], writes=["n"])(count)
    keeper = persistence.SQLitePersister(
        db_path=str(folder / "b.db"), connection=connected(folder / "b.db")
    )
    keeper.initialize()
    application = (
        core.ApplicationBuilder()
        .with_actions(count=action)
        .with_transitions(("count", "count", core.default))
        .with_state(n=0)
        .with_entrypoint("count")
        .with_identifiers(app_id="one", partition_key="p")
        .with_state_persister(keeper)
        .build()
    )
    begun = time.perf_counter()
    for _ in range(steps):
        application.step()
    took = time.perf_counter() - begun
    assert application.state["n"] == steps
    return steps / took


def langgraph(steps: int, folder: Path) -> float:
    """A graph of one node that runs until it has counted, checkpointed before the next step."""
    graphs = import_module("langgraph.graph")
    saver = import_module("langgraph.checkpoint.sqlite")

    def count(state: Counted) -> Counted:
        return {"n": state["n"] + 1}

    graph = graphs.StateGraph(Counted)
    graph.add_node("count", count)
    graph.add_edge(graphs.START, "count")
    graph.add_conditional_edges(
        "count", lambda state: graphs.END if state["n"] >= steps else "count"
    )
    app = graph.compile(checkpointer=saver.SqliteSaver(connected(folder / "l.db")))
    config = {"configurable": {"thread_id": "one"}, "recursion_limit": steps + 10}
    begun = time.perf_counter()
    assert app.invoke({"n": 0}, config, durability="sync")["n"] == steps
    return steps / (time.perf_counter() - begun)


def dbos(steps: int, folder: Path) -> float:
    """A workflow of steps, recorded one by one."""
    module = import_module("dbos")
    url = f"sqlite:///{folder / 'd.db'}"
    module.DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})

    def nothing() -> None:
        return None

    step = module.DBOS.step()(nothing)

    def chain() -> int:
        for _ in range(steps):
            step()
        return steps

    workflow = module.DBOS.workflow()(chain)
    module.DBOS.launch()
    begun = time.perf_counter()
    assert workflow() == steps
    took = time.perf_counter() - begun
    module.DBOS.destroy()
    return steps / took


if __name__ == "__main__":
    name, steps, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    try:
        import_module({"burr": "burr.core", "langgraph": "langgraph.graph", "dbos": "dbos"}[name])
    except ImportError:
        sys.exit(NOT_INSTALLED)
    print({"burr": burr, "langgraph": langgraph, "dbos": dbos}[name](steps, folder))
