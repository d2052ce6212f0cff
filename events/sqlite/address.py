"""Where a SQLite store lies: an address as the user writes it, and the files it stands for."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from indelible.errors import StoreNotFoundError


class Address(msgspec.Struct, frozen=True):
    """The files of one store."""

    database: Path
    owner: Path  # holds the lock of the owning process
    wal: Path

    def uri(self, mode: str, *, immutable: bool = False) -> str:
        """SQLite's own form, for ``mode`` "ro", "rw" or "rwc" (``sqlite.org/uri.html``)."""
        path = quote(self.database.as_posix(), safe="/:")
        return f"file:{path}?mode={mode}" + ("&immutable=1" if immutable else "")


def parse_address(url: str) -> Address:
    """Read ``sqlite:///relative.db`` or ``sqlite:////absolute.db``; touches no file.

    A relative path is taken from the directory of this moment, once.

    Raises:
        StoreNotFoundError: Not such an address.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise StoreNotFoundError(url) from error
    name = parsed.database
    if parsed.get_backend_name() != "sqlite" or not name or name == ":memory:" or parsed.query:
        raise StoreNotFoundError(parsed.render_as_string())
    database = Path(name).absolute()
    return Address(database, database.with_name(f"{database.name}-owner"), Path(f"{database}-wal"))
