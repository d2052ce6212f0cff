"""Stores on one PostgreSQL database, closed at the end of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from members import PATIENCE, Members


@pytest.fixture
def members(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Members]:
    """Their database is never taken for silent, however short leases are and busy the machine."""
    monkeypatch.setattr("indelible.events.postgres.connect.engines._SHORTEST", PATIENCE)
    with Members(postgres_url) as members:
        yield members
