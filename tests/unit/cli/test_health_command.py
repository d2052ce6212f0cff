"""`indelible health`: one look from outside, for people, for programs, and by exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from indelible import ActorSystem
from indelible.reports import Reporter
from indelible.service.process_rows import PROCESSES


@pytest.fixture
def served(commands: Any) -> Iterator[ActorSystem]:
    """A system of this process that reports, in the directory of the commands."""
    with ActorSystem("sqlite:///indelible.db") as system, Reporter(system, "api"):
        system.register_step("now", lambda context, step: 1)
        yield system


def age(system: ActorSystem) -> None:
    with system.store.write_views() as connection:
        connection.execute(sa.update(PROCESSES).values(reported_at=1))


def test_a_served_store_is_healthy(served: ActorSystem, commands: Any) -> None:
    result = commands.invoke("health")
    assert result.exit_code == 0
    assert result.stdout.startswith("healthy  sqlite:///indelible.db")
    for words in ("(api) on", "ready", "1 of 1", "0 running, 0 queued", "up to date"):
        assert words in result.stdout
    assert "\x1b" not in result.output
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_store_that_nobody_serves_says_so(commands: Any) -> None:
    ActorSystem("sqlite:///indelible.db").open().close()
    result = commands.invoke("health")
    assert result.exit_code == 2
    assert result.stdout.startswith("not served")
    assert "no process serves this store" in result.stdout


def test_a_process_that_has_not_reported_is_stale(served: ActorSystem, commands: Any) -> None:
    age(served)
    result = commands.invoke("health")
    assert result.exit_code == 1
    assert result.stdout.startswith("not healthy")
    assert "is stale: its last report is" in result.stdout


def test_the_figures_of_a_busy_service_are_shown(served: ActorSystem, commands: Any) -> None:
    row = (
        "INSERT INTO inbox (message_id, shard, stream, kind, body, sender, submitted_at, deadline,"
        " answered_at) VALUES ('m', 9, 's', 'k', '', '', 1, 0, 0)"
    )
    served.workflow_agent("a").start(
        {"name": "w", "steps": [{"name": "one", "type": "now"}]}, run_id="r"
    ).result(20)
    assert served.caught_up(20)
    with served.store.write_views() as connection:
        connection.execute(sa.text(row))
        connection.execute(sa.text("UPDATE streams SET wake_at = 2"))
        connection.execute(sa.text("UPDATE streams SET status = 'waiting'"))
    text = commands.invoke("health").stdout
    assert "1 command waiting" in text
    assert "1 waiting" in text
    assert "a stream should have been woken" in text
    log = json.loads(commands.invoke("health", "--json").stdout)["log"]
    assert log["events"] == served.store.positions()[0] > 0
    assert (log["runs"], log["inbox"]) == ({"waiting": 1}, 1)
    assert log["overdue_s"] > 1e9
    assert {name: lag["events"] for name, lag in log["views"].items()} == {
        "metrics": 0,
        "workflow_status": 0,
    }


def test_a_mistyped_store_is_an_error_and_none_is_made(commands: Any) -> None:
    result = commands.invoke("health", "--store", "sqlite:///typo.db")
    assert result.exit_code == 1
    assert "no store at sqlite:///typo.db" in result.stderr
    assert not (commands.home / "typo.db").exists()


def test_json_has_what_the_page_documents(served: ActorSystem, commands: Any) -> None:
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs" / "running.md").read_text()
    document = json.loads(commands.invoke("health", "--json").stdout)
    names = set(fields(document))
    missing = sorted(name for name in names if f"`{name}`" not in page)
    assert len(names) > 30
    assert not missing


def fields(value: Any, path: str = "") -> Iterator[str]:
    """Paths of all fields of a JSON document; the names of views are NAME."""
    if isinstance(value, list):
        for item in value:
            yield from fields(item, f"{path}[]")
    elif isinstance(value, dict) and not path.endswith("log.runs"):
        for key, item in value.items():
            name = "NAME" if path.endswith("views") else key
            yield from fields(item, f"{path}.{name}" if path else key)
    else:
        yield path
