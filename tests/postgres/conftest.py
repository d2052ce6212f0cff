"""Stores on one PostgreSQL database, closed at the end of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from members import Members


@pytest.fixture
def members(postgres_url: str) -> Iterator[Members]:
    with Members(postgres_url) as members:
        yield members
