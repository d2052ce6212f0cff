"""A store on SQLite for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.events.sqlite.store import SqlEventStore
from indelible.testing.contract.builders import url_of


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(database: Path) -> Iterator[SqlEventStore]:
    store = SqlEventStore(url_of(database), owner="the service")
    store.open()
    yield store
    store.close()
