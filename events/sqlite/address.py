"""Parses the address of a SQLite store and names its files."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISDIR
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from indelible.errors import StoreLinkedError, StoreNotFoundError
from indelible.events.addresses import address_error


class Address(msgspec.Struct, frozen=True):
    """The files of one store."""

    database: Path
    owner: Path  # holds the lock of the owning process
    wal: Path

    def remove(self) -> None:
        """Remove a database whose creation failed; only the holder of the lock may."""
        for end in ("-wal", "-shm", ""):
            Path(f"{self.database}{end}").unlink(missing_ok=True)

    def uri(self, mode: str, *, immutable: bool = False) -> str:
        """Return SQLite's URI, for ``mode`` "ro", "rw" or "rwc" (``sqlite.org/uri.html``)."""
        path = quote(os.fsencode(self.database), safe="/:")
        return f"file:{path}?mode={mode}" + ("&immutable=1" if immutable else "")


def parse_address(url: str) -> Address:
    """Parse ``sqlite:///relative.db`` or ``sqlite:////absolute.db``; changes no file.

    A relative path is resolved once, from the current directory.  Links are followed, so that a
    store has one lock under all names.

    Raises:
        StoreNotFoundError: ``url`` has another form.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise address_error(url) from error
    name = parsed.database
    if parsed.get_backend_name() != "sqlite":
        raise address_error(url)
    if parsed.host or not name:
        raise address_error(url, "it names no file: sqlite: needs three slashes before the name")
    if name == ":memory:":
        raise address_error(url, "a database in memory is no store that others can open")
    if parsed.query:
        raise address_error(url, "options behind a question mark are not taken")
    try:
        database = Path(name).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a cycle, a NUL
        raise StoreNotFoundError(url, f"its path leads nowhere ({error})") from error
    return Address(database, database.with_name(f"{database.name}-owner"), Path(f"{database}-wal"))


def check_file(address: Address, url: str) -> None:
    """Check that the database, if it exists, is a file with one name, and that its folder exists.

    Raises:
        StoreNotFoundError: It is a folder, or its folder does not exist.
        StoreLinkedError: The file has several names (hard links).
    """
    folder = address.database.parent
    if not folder.is_dir():
        raise StoreNotFoundError(url, f"there is no folder {folder}; make it first")
    try:
        found = address.database.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreNotFoundError(url, f"{address.database}: {error.strerror}") from error
    if S_ISDIR(found.st_mode):
        raise StoreNotFoundError(url, "that is a folder; give the name of a file in it")
    if found.st_nlink > 1:
        raise StoreLinkedError(url, found.st_nlink)
