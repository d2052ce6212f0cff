"""Translates SQLite's errors to the library's; the store raises no driver error."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from indelible.errors import (
    IndelibleError,
    StoreCorruptError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from indelible.events.connections.error_translation import ErrorTranslation, driver_error

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
    code = getattr(driver_error(error), "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_locked(error: BaseException) -> bool:
    """Whether another program holds a lock."""
    return primary_code(error) in _LOCKED


def is_row_error(error: BaseException) -> bool:
    """Whether the contents of one row caused the error; other rows can be read without it."""
    code = primary_code(error)
    return (
        code in _ROW_ERRORS if code is not None else str(driver_error(error)).startswith(_NO_TEXT)
    )


_ROW_ERRORS = frozenset({sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CORRUPT})
_NO_TEXT = "Could not decode to UTF-8"
"""The beginning of the driver's message; it has no code, since SQLite itself accepts the row."""


def translate(error: BaseException, url: str) -> IndelibleError:
    """Return the error to raise instead of the driver's."""
    words, code = str(driver_error(error)), primary_code(error)
    if code in _LOCKED:
        return StoreUnavailableError("another program holds the database's write lock")
    if code in _CORRUPT or is_row_error(error):
        return StoreCorruptError(url, words)
    if code in _READ_ONLY:
        return StoreReadOnlyError(url, words)
    return StoreUnavailableError(words)


def translated_failures(url: str) -> ErrorTranslation:
    """Translate the driver's errors in the block, except those of a wrong statement.

    A wrong statement is the caller's mistake; its error is raised unchanged.
    """
    return ErrorTranslation((DBAPIError,), _translate_failure, url)


def translated(url: str) -> ErrorTranslation:
    """Translate all of the driver's errors in the block to the library's."""
    return ErrorTranslation((DBAPIError, sqlite3.Error), translate, url)


def _translate_failure(error: BaseException, url: str) -> IndelibleError | None:
    return translate(error, url) if is_database_failure(error) else None
