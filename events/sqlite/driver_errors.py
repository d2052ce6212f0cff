"""Translates SQLite's errors to the library's; the store raises no driver error."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from indelible.errors import (
    IndelibleError,
    StoreCorruptError,
    StoreReadOnlyError,
    StoreUnavailableError,
)

NO_SHARED_MEMORY = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
"""Codes of a read that fails because the files beside the database cannot be written."""

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_READ_ONLY = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})
_STATEMENT_ERRORS = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)


def is_database_failure(error: BaseException) -> bool:
    """Whether the database failed, or cannot read a row, rather than the statement being wrong."""
    code = primary_code(error)
    return is_row_error(error) if code is None else code not in _STATEMENT_ERRORS


def primary_code(error: BaseException) -> int | None:
    """Return SQLite's primary result code (``sqlite.org/rescode.html``), ``None`` if none."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_locked(error: BaseException) -> bool:
    """Whether another program holds a lock."""
    return primary_code(error) in _LOCKED


def is_row_error(error: BaseException) -> bool:
    """Whether the contents of one row caused the error; other rows can be read without it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    code = primary_code(error)
    return code in _ROW_ERRORS if code is not None else str(error).startswith(_NO_TEXT)


_ROW_ERRORS = frozenset({sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CORRUPT})
_NO_TEXT = "Could not decode to UTF-8"
"""The beginning of the driver's message; it has no code, since SQLite itself accepts the row."""


def translate(error: DBAPIError | sqlite3.Error, url: str) -> IndelibleError:
    """Return the error to raise instead of the driver's."""
    words = str(error.orig if isinstance(error, DBAPIError) else error)
    code = primary_code(error)
    if code in _LOCKED:
        return StoreUnavailableError("another program holds the database's write lock")
    if code in _CORRUPT or is_row_error(error):
        return StoreCorruptError(url, words)
    if code in _READ_ONLY:
        return StoreReadOnlyError(url, words)
    return StoreUnavailableError(words)


@contextmanager
def translated_failures(url: str) -> Iterator[None]:
    """Translate the driver's errors in the block, except those of a wrong statement.

    A wrong statement is the caller's mistake; its error is raised unchanged.
    """
    try:
        yield
    except DBAPIError as error:
        if is_database_failure(error):
            raise translate(error, url) from error
        raise


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Translate all of the driver's errors in the block to the library's."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise translate(error, url) from error
