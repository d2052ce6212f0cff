"""Has alembic migrate an empty database once; each later one is made with the statements of that.

Finding them takes alembic 20 ms of processor time, and the tests make thousands of stores.  Tests
that look at alembic itself use the fixture ``alembic_migrates``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.event import listen, remove

from indelible import migrations

_READS = ("SELECT", "PRAGMA")
_by_alembic = migrations.migrate
_remembered: dict[tuple[str, bool], list[str]] = {}


def migrate(
    connection: sa.Connection, revision: str = "head", *, inside: Callable[[], None] | None = None
) -> None:
    """Do what ``indelible.migrations.migrate`` does."""
    has_table = sa.inspect(connection).has_table("alembic_version")
    kind = connection.dialect.name, has_table
    if revision != "head" or (has_table and _has_a_revision(connection)):
        _by_alembic(connection, revision)
    elif kind not in _remembered:
        _remembered[kind] = _migrate_and_listen(connection)
    else:
        _repeat(connection, _remembered[kind])
    if inside is not None:
        inside()


def _has_a_revision(connection: sa.Connection) -> bool:
    return connection.exec_driver_sql("SELECT 1 FROM alembic_version").first() is not None


def _migrate_and_listen(connection: sa.Connection) -> list[str]:
    heard: list[str] = []

    def hear(_: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if not statement.lstrip().startswith(_READS):
            assert not parameters
            heard.append(statement)

    listen(connection, "before_cursor_execute", hear)
    try:
        _by_alembic(connection)
    finally:
        remove(connection, "before_cursor_execute", hear)
    return heard


def _repeat(connection: sa.Connection, statements: list[str]) -> None:
    if connection.dialect.name == "postgresql":  # which takes them all at once
        statements = ["; ".join(statements)]
    for statement in statements:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@pytest.fixture(scope="session", autouse=True)
def _migrations_are_remembered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "migrate", migrate)
        yield


@pytest.fixture
def alembic_migrates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have alembic itself migrate in this test."""
    monkeypatch.setattr(migrations, "migrate", _by_alembic)
