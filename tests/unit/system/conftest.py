"""Stores on which a system is opened again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.events.opening import open_store
from indelible.testing.builders import url_of


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store with one shard."""
    if request.param == "sqlite":
        return url_of(tmp_path / "store.db")
    url: str = request.getfixturevalue("postgres_url")
    open_store(url, shards=1).close()
    return url
