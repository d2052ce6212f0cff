"""Stores on which a system is opened again and again."""

from __future__ import annotations

import pytest

from indelible.events.opening import open_store


@pytest.fixture
def url(each_url: str) -> str:
    """The address of a store with one shard."""
    if each_url.startswith("postgresql"):
        open_store(each_url, shards=1).close()
    return each_url
