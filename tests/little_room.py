"""Has stores on SQLite make little room in the WAL: it saves a disk's time, and takes 7 ms to make.

The files of tests are in memory.  Tests that look at the room itself use ``usual_room``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from indelible.events.sqlite.write.wal_checkpoint import WAL_GROWTH

_PAGES = "indelible.events.sqlite.write.wal_preallocation.WAL_GROWTH"


@pytest.fixture(scope="session", autouse=True)
def _little_room() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_PAGES, WAL_GROWTH // 20)
        yield


@pytest.fixture
def usual_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have stores make as much room as they do elsewhere."""
    monkeypatch.setattr(_PAGES, WAL_GROWTH)
