"""Where time is read, what systems share, and where threads start: exceptions are listed here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = ("actors", "events", "projections", "migrations", "src/indelible")

READS_TIME = {
    # what waits for real threads measures by the host's clock: a manual one stands still meanwhile
    "actors/runtime/future.py": {"time.monotonic"},
    "src/indelible/assembly/lifecycle.py": {"time.monotonic"},
    "src/indelible/readers/log_readers.py": {"time.monotonic"},
    "src/indelible/runs/remote_run_ends.py": {"time.monotonic"},
    "src/indelible/assembly/work_under_way.py": {"time.monotonic"},
    # the clock itself
    "src/indelible/clock.py": {"time.monotonic_ns", "time.thread_time_ns", "time.time_ns"},
    # what is shown to a person at a terminal
    "src/indelible/cli/tasks/run_job.py": {"time.monotonic"},
    "src/indelible/cli/render/top_screen.py": {"time.monotonic"},
    "src/indelible/cli/render/progress_bar.py": {"time.monotonic"},
    "src/indelible/cli/tasks/recovery_job.py": {"time.monotonic"},
}

SHARED = {
    # taken for moments in which nothing waits, by all mailboxes, so that each is smaller
    "actors/runtime/mailbox.py": {"_closing", "_counting"},
    "actors/runtime/stopped_flag.py": {"_first_wait"},
    "actors/durable/commit/in_flight.py": {"InFlight.lock"},
    # what the host refuses to the process, and the loops of its threads that fail
    "src/indelible/threads.py": {"refusals"},
    "src/indelible/loops.py": {"_failing", "_lock"},
    # alembic has one context a process: systems that really migrate do so one after the other
    "migrations/__init__.py": {"_one_at_a_time"},
    # what a fork must not leave to the child
    "src/indelible/forks.py": {"_renewals", "_watched"},
    "events/connections/unfinished_connections.py": {"_changed", "_under_way", "made"},
    "events/connections/forked_connections.py": {"_engines", "_kept", "_records"},
    # in a child, what its parent had open: SQLite is one for all systems of a process
    "events/sqlite/fork_guard.py": {"_in_use"},
}

STARTS_THREADS = {
    # the one place that starts them: what the host refuses is tried again, or an error of ours
    "src/indelible/threads.py": 2,
    # which does the work on the caller's thread if there is no other
    "events/postgres/connect/watchdog.py": 1,
    # the inbox worker, which has that place start its thread
    "src/indelible/assembly/lifecycle.py": 1,
    # of tests
    "src/indelible/testing/contract/group_contract.py": 2,
}

MUTABLE = {
    *("dict", "list", "set", "deque", "defaultdict", "Counter", "OrderedDict", "WeakSet"),
    *("Lock", "RLock", "Condition", "Event", "Semaphore", "local", "count", "ThreadRefusals"),
}
CLOCKS = {"time", "datetime", "date"}
NOW = {
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"),
    *("thread_time", "thread_time_ns", "process_time", "process_time_ns"),
    *("now", "utcnow", "today"),
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for folder in LIBRARY:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


def reads_of_time(module: ast.Module) -> set[str]:
    """Names such as ``time.monotonic``, also of what is imported from there."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found |= {f"time.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Attribute) and node.attr in NOW:
            owner = ast.unparse(node.value).rpartition(".")[2]
            if owner in CLOCKS or (owner, node.attr) == ("asyncio", "sleep"):
                found.add(f"{owner}.{node.attr}")
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "threading.Timer":
            found.add("threading.Timer")
    return found


def shared_state(module: ast.Module) -> set[str]:
    """Names of modules and classes whose value can change, or can be waited for."""
    found = {target for node in module.body for target in _mutable(node)}
    for outer in module.body:
        if isinstance(outer, ast.ClassDef) and not _copies_its_defaults(outer):
            found |= {f"{outer.name}.{name}" for node in outer.body for name in _mutable(node)}
    return found


def _copies_its_defaults(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base) == "msgspec.Struct" for base in node.bases)


def _mutable(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign):
        targets = [target for target in node.targets if isinstance(target, ast.Name)]
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        targets = [node.target]
    else:
        return
    value = node.value
    if isinstance(value, ast.Call):
        made = ast.unparse(value.func).partition("[")[0].rpartition(".")[2]
        if made == "process_wide":  # a lock that is free in a forked child
            made = ast.unparse(value.args[0]).partition("(")[0].rpartition(".")[2]
        if made not in MUTABLE:
            return
    elif not (isinstance(value, ast.Dict | ast.List | ast.Set) and _is_filled_later(value)):
        return
    yield from (target.id for target in targets)


def _is_filled_later(value: ast.Dict | ast.List | ast.Set) -> bool:
    """Whether a literal is empty: a table of constants is not."""
    return not (value.keys if isinstance(value, ast.Dict) else value.elts)


def test_time_is_read_where_it_may_be_and_nowhere_else() -> None:
    found = {name: reads for name, module in modules() if (reads := reads_of_time(module))}
    assert found == READS_TIME


def test_systems_of_a_process_share_what_is_listed_and_nothing_else() -> None:
    found = {name: state for name, module in modules() if (state := shared_state(module))}
    assert found == SHARED


def starts_of_threads(module: ast.Module) -> int:
    """Calls of ``start`` on what is made, or called, a thread or a worker."""
    return sum(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "start"
        and any(word in ast.unparse(node.func.value).lower() for word in ("thread", "worker"))
        for node in ast.walk(module)
    )


def test_threads_are_started_where_a_refusal_is_dealt_with() -> None:
    found = {name: number for name, module in modules() if (number := starts_of_threads(module))}
    assert found == STARTS_THREADS


def test_the_search_finds_what_it_looks_for() -> None:
    program = """
import time, asyncio, threading
from datetime import datetime
from time import monotonic
table = {"a": 1}
seen = {}
lock: threading.Lock = threading.Lock()
class Thing:
    all = []
    def wait(self):
        time.sleep(1)
        self.at = datetime.now()
async def rest():
    await asyncio.sleep(1)
    threading.Timer(1, rest)
"""
    module = ast.parse(program)
    expected = {"time.sleep", "time.monotonic", "datetime.now", "asyncio.sleep", "threading.Timer"}
    assert reads_of_time(module) == expected
    assert shared_state(module) == {"seen", "lock", "Thing.all"}
    program = (
        "t = Thread(); t.start(); self._thread.start(); threading.Thread().start(); go.start()"
    )
    assert starts_of_threads(ast.parse(program)) == 2
