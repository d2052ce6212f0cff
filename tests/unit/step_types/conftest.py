"""``database_query`` on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indelible.actors.step_types.connections import Connections
from indelible.actors.step_types.database_query import DatabaseQuery
from postgres_server import PostgresServer, connect

Run = Callable[..., dict[str, Any]]


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """The database that the test is about."""
    return str(request.param)


@pytest.fixture(scope="module")
def database_of_the_module(postgres_server: PostgresServer) -> Iterator[str]:
    """One on PostgreSQL for all tests of a module, since making one takes longer than they do."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def address(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of that kind."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/data.db"
    url = str(request.getfixturevalue("database_of_the_module"))
    with connect(url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture
def query(address: str) -> Iterator[Run]:
    """Runs one step on it."""
    connections = Connections({"default": address})
    step_type = DatabaseQuery(connections)
    yield lambda **params: step_type.run(None, {"name": "s", "params": params})
    connections.close()
