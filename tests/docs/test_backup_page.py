"""The page about backup and upgrade says what is so, on both databases."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from indelible import ActorSystem, step
from indelible.cli.app import app
from indelible.errors import CursorAheadError, SchemaVersionError
from indelible.testing.hold import Hold
from pages import Page, run
from postgres_server import PostgresServer, installed_tools

PAGE = Page("docs/backup-and-upgrade.md")
TWO = {"name": "w", "steps": [{"name": "one", "type": "note"}, {"name": "two", "type": "stand"}]}


@contextmanager
def at_work(url: str, ran: list[str]) -> Iterator[ActorSystem]:
    """A system whose run r1 has completed its first step and stands in its second."""
    hold = Hold()
    hold.close()

    @step("note")
    def note(context: Any) -> str:
        ran.append(context.idempotency_key)
        return "noted"

    @step("stand")
    def stand(context: Any) -> str:
        hold()
        ran.append(context.idempotency_key)
        return "stood"

    with ActorSystem(url, steps=[note, stand]) as system:
        agent = system.workflow_agent("a")
        agent.start(TWO, run_id="r1")
        hold.wait()
        try:
            yield system
        finally:
            hold.open()
        agent.start(TWO, run_id="r2").result(20)
        system.run("r1").result(20)


def by_shell(folder: Path) -> None:
    line = PAGE.blocks("sh")[1].strip()
    subprocess.run(line, cwd=folder, check=True, shell=True)  # noqa: S602 - as a reader would


def by_python(folder: Path) -> None:
    PAGE.write_files(folder)
    assert run(["python", "backup.py"], folder).returncode == 0


def said_by(words: list[str]) -> str:
    """What a line of the page writes; it reads only, so this process can do it."""
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("back_up", [by_shell, by_python])
def test_a_copy_that_is_taken_at_work_is_whole_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back_up: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran: list[str] = []
    with at_work(f"sqlite:///{tmp_path}/agents.db", ran) as system:
        recorded = sum(system.store.positions().values())
        anchor, file = PAGE.blocks("sh")[0].strip().split(" > ")
        (tmp_path / file).write_text(said_by(anchor.split()))
        back_up(tmp_path)
    assert sorted(ran) == ["r1/one", "r1/two", "r2/one", "r2/two"]
    verified, listed = (line.split() for line in PAGE.blocks("sh")[3].strip().splitlines())
    assert f"{recorded} events" in said_by(verified)
    assert "holds the anchor" in said_by(verified)
    assert "r1" in said_by(listed)
    assert "r2" not in said_by(listed)
    ran.clear()
    with at_work(f"sqlite:///{tmp_path}/backup.db", ran):
        pass
    assert "r1/one" not in ran  # it had completed before the backup
    assert "r1/two" in ran  # with the key that it had


def test_a_cursor_beyond_a_restored_log_is_told_so(tmp_path: Path) -> None:
    with at_work(f"sqlite:///{tmp_path}/agents.db", []) as system:
        by_python(tmp_path)
    with ActorSystem(f"sqlite:///{tmp_path}/agents.db", mode="read") as system:
        ends = system.store.positions()
    with (
        ActorSystem(f"sqlite:///{tmp_path}/backup.db", mode="read") as system,
        pytest.raises(CursorAheadError),
    ):
        list(system.events(ends, live=False))


def test_a_dump_of_postgresql_taken_at_work_is_restored(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    tools = installed_tools()
    dump, _, restore = (line.split() for line in PAGE.blocks("sh")[2].strip().splitlines())
    restored = postgres_server.create_database()
    with at_work(postgres_url, []):
        subprocess.run(
            [tools / dump[0], *dump[1:-1], "--dbname", libpq(postgres_url)],
            cwd=tmp_path,
            check=True,
        )
    words = [word for word in restore[1:] if not word.startswith("--dbname")]
    subprocess.run(
        [tools / restore[0], "--dbname", libpq(restored), *words], cwd=tmp_path, check=True
    )
    with ActorSystem(restored, mode="read") as system:
        assert system.store.verify() > 0
        assert system.run("r1").status()["outcome"] is None
    postgres_server.drop_database(restored)


def libpq(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def test_the_schema_of_a_newer_version_is_refused_in_the_words_of_the_page(tmp_path: Path) -> None:
    file = tmp_path / "agents.db"
    with ActorSystem(f"sqlite:///{file}"):
        pass
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    [said] = PAGE.blocks("text")
    wanted = said.strip().replace("agents.db", str(file))
    for mode in ("own", "read"):
        with pytest.raises(SchemaVersionError) as refused:
            ActorSystem(f"sqlite:///{file}", mode=mode).open()
        assert str(refused.value) == wanted
