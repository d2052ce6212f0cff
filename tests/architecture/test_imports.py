"""Who may import whom, what a cold start may load, and that every dependency earns its place."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SHELL_CORE = frozenset({"clock", "errors", "failpoints", "forks", "ids", "loops", "threads"})
MAY_IMPORT = {
    "events": SHELL_CORE | {"events", "migrations"},
    "actors": SHELL_CORE | {"actors", "events"},
    "projections": SHELL_CORE | {"events", "projections"},
    "migrations": SHELL_CORE | {"migrations"},
}
USED_BY = [
    ("pykka", "actors"),
    ("sqlalchemy", "events"),
    ("sqlalchemy", "projections"),
    ("alembic", "migrations"),
    ("msgpack", "events"),
    ("hypothesis", "tests/property"),
    ("pytest", "tests/unit"),
]
SLOW = ["alembic", "asyncio", "msgspec", "opentelemetry", "pykka", "sqlalchemy", "yaml"]
WITH_A_SYSTEM = [  # made, opened or asked for something: importing ActorSystem loads none of it
    *("alembic", "mako", "opentelemetry", "psycopg", "sqlalchemy", "sqlite3", "yaml"),
    *("indelible.actors.durable.directory", "indelible.actors.durable.actor_host"),
    *(
        "indelible.actors.durable.recovery.state_from_log",
        "indelible.actors.effects.attempts.attempt_queue",
    ),
    *("indelible.actors.step_types.connections", "indelible.actors.step_types.database_query"),
    *(
        "indelible.actors.step_types.data_processing.step",
        "indelible.actors.workflow.decide.run_decider",
    ),
    *("indelible.actors.workflow.execute.executor", "indelible.events.subscribe.consumers"),
    *(
        "indelible.events.memory.store",
        "indelible.events.postgres.store",
        "indelible.events.lease.role_holder",
    ),
    *("indelible.events.snapshots", "indelible.events.sqlite", "indelible.remote.inbox_client"),
    *(
        "indelible.remote.inbox_worker",
        "indelible.migrations",
        "indelible.assembly.system_parts",
        "indelible.projections",
    ),
    *(
        "indelible.runs.run_reader",
        "indelible.readers.log_readers",
        "indelible.effect_handlers.started_runs",
        "indelible.assembly.work_under_way",
    ),
]
TO_LOOK_IT_OVER = [  # verified, or asked how it is: running it loads none of this
    *("indelible.events.verification", "indelible.service.health", "indelible.reports"),
    *("indelible.results", "indelible.runs.state_verification", "indelible.service.survey"),
]
OURS = sorted(n for n in {*WITH_A_SYSTEM, *TO_LOOK_IT_OVER} if n.startswith("indelible"))


def imports_of(file: Path) -> Iterator[str]:
    """Absolute names that a file imports anywhere, ``from a import b`` as ``a.b``."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def python_files(folder: str) -> list[Path]:
    """Every module below a root folder."""
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_folder_imports_only_what_the_design_allows(folder: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in python_files(folder)
        for name in imports_of(file)
        if name.split(".")[0] == "indelible"
        and (len(parts := name.split(".")) < 2 or parts[1] not in MAY_IMPORT[folder])
    ]
    assert not wrong


def test_import_contracts_hold() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("package", "folder"), USED_BY)
def test_dependency_is_used_where_it_belongs(package: str, folder: str) -> None:
    assert any(
        name.split(".")[0] == package for file in python_files(folder) for name in imports_of(file)
    )


def test_help_loads_nothing_slow() -> None:
    loaded = loaded_by(
        "import sys\n"
        "from indelible.cli import main\n"
        "sys.argv = ['indelible', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
    )
    assert not sorted(loaded & set(SLOW))


def test_importing_the_system_loads_nothing_that_only_a_system_needs() -> None:
    loaded = loaded_by("from indelible import ActorSystem\n")
    assert "indelible.api.system" in loaded
    assert not sorted(loaded & {*WITH_A_SYSTEM, *TO_LOOK_IT_OVER})


def test_a_system_that_runs_a_step_loads_nothing_that_looks_it_over(tmp_path: Path) -> None:
    loaded = loaded_by(
        "from indelible import ActorSystem, step\n"
        "one = step('one')(lambda: 1)\n"
        f"with ActorSystem('sqlite:///{tmp_path}/log.db', steps=[one]) as system:\n"
        "    definition = {'name': 'w', 'steps': [{'name': 's', 'type': 'one'}]}\n"
        "    outcome = system.workflow_agent('a').execute_workflow(definition)\n"
        "assert outcome['status'] == 'success', outcome\n"
    )
    assert "indelible.assembly.system_parts" in loaded
    assert not sorted(loaded & set(TO_LOOK_IT_OVER))


@pytest.mark.parametrize("name", OURS)
def test_what_only_a_system_needs_is_there(name: str) -> None:
    assert find_spec(name) is not None, "renamed: nothing would notice that it is loaded"


def loaded_by(code: str) -> set[str]:
    """Names of the modules that a new process has after ``code``."""
    code += "import json, sys\nprint(json.dumps(list(sys.modules)))\n"
    result = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_core_install_is_at_most_twelve_distributions() -> None:
    core = closure("indelible")
    assert {"indelible", "pykka", "sqlalchemy", "alembic", "msgpack", "msgspec"} <= core
    assert len(core) <= 12, sorted(core)


def closure(name: str) -> set[str]:
    """Distributions that a plain install of ``name`` brings, itself included."""
    found: set[str] = set()
    waiting = [canonicalize_name(name)]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for line in requires(one) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(need.name))
    return found
