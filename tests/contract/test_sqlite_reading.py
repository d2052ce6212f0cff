"""Reading a store on SQLite beside its owner, and where nobody can write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from indelible.errors import (
    StoreNotFoundError,
    StoreReadOnlyError,
)
from indelible.events.opening import open_store
from indelible.events.sqlite.store import SqlEventStore
from indelible.migrations import revisions
from indelible.testing.contract.builders import (
    some_event,
    some_events,
    url_of,
)


def test_a_missing_file_is_not_made_by_reading(database: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        open_store(url_of(database), mode="read")
    assert list(database.parent.iterdir()) == []


def test_an_empty_file_is_no_store_to_read(database: Path) -> None:
    database.touch()
    with pytest.raises(StoreNotFoundError):
        open_store(url_of(database), mode="read")


def test_a_reader_sees_what_the_owner_writes(store: SqlEventStore, database: Path) -> None:
    store.append("run-1", [some_event()], expected=0)
    reader = open_store(url_of(database), mode="read")
    assert reader.state == "reading"
    store.append("run-1", [some_event()], expected=1)
    assert [event.version for event in reader.read("run-1")] == [1, 2]
    assert reader.verify() == 2
    reader.close()
    assert reader.state == "closed"


def test_a_reader_writes_nothing(store: SqlEventStore, database: Path) -> None:
    reader = open_store(url_of(database), mode="read")
    with pytest.raises(StoreReadOnlyError):
        reader.append("run-1", [some_event()], expected=0)
    with pytest.raises(StoreReadOnlyError), reader.write_views():
        pass
    with pytest.raises(StoreReadOnlyError), reader.read_views() as connection:
        connection.exec_driver_sql("DELETE FROM shards")
    reader.close()


def test_a_reader_keeps_no_transaction_open_between_pages(
    store: SqlEventStore, database: Path
) -> None:
    store.append("run-1", some_events(1_500), expected=0)
    pages = iter(store.read("run-1"))
    next(pages)
    store.append("run-1", [some_event()], expected=1_500)
    with sqlite3.connect(database, isolation_level=None) as other:
        busy, *_ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    other.close()
    assert busy == 0
    assert len(list(pages)) == 1_500


def test_a_reader_s_own_mistake_comes_as_it_is(store: SqlEventStore) -> None:
    with pytest.raises(OperationalError, match="no such table"), store.read_views() as views:
        views.exec_driver_sql("SELECT * FROM missing")


NOBODY = 65_534


@contextmanager
def without_rights() -> Iterator[None]:
    """Be a user who may write nothing of ours; root may write anywhere."""
    revisions()  # read while the checkout, which may be private, can be read
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def see_that_it_is_only_read(database: Path) -> None:
    with without_rights():
        with pytest.raises(StoreReadOnlyError):
            open_store(url_of(database))
        store = open_store(url_of(database), mode="read")
        assert store.verify() == 3
        store.close()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that everybody may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name == "nt", reason="permissions work otherwise there")
def test_read_only_media_can_be_read_and_not_owned(public_folder: Path) -> None:
    database = public_folder / "store.db"
    store = open_store(url_of(database))
    store.append("run-1", some_events(3), expected=0)
    assert store.verify() == 3  # its code is imported now, which that user may not read
    store.close()
    Path(f"{database}-owner").unlink()
    database.chmod(0o444)
    public_folder.chmod(0o555)
    see_that_it_is_only_read(database)


@pytest.mark.skipif(os.name == "nt", reason="permissions work otherwise there")
def test_a_read_only_file_in_a_writable_folder_is_not_owned(public_folder: Path) -> None:
    database = public_folder / "store.db"
    store = open_store(url_of(database))
    store.append("run-1", some_events(3), expected=0)
    assert store.verify() == 3  # as above
    store.close()
    Path(f"{database}-owner").chmod(0o666)
    database.chmod(0o444)
    public_folder.chmod(0o777)
    see_that_it_is_only_read(database)
