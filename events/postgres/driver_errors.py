"""Translates PostgreSQL's errors to the library's; the store raises no driver error."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from indelible.errors import (
    IndelibleError,
    StoreCorruptError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from indelible.events.connections.error_translation import ErrorTranslation, driver_error

_ERRORS = (DBAPIError, psycopg.Error, PoolTimeoutError)
_NO_DATABASE = "3D000"
_READ_ONLY = frozenset({"25006", "42501"})  # a standby, or a user without the right to write
_CORRUPT = frozenset({"XX001", "XX002"})
_STATEMENT_ERRORS = frozenset({"0A", "21", "22", "23", "42", "44", "P0"})
"""Classes of SQLSTATE that say that a statement is wrong (PostgreSQL, appendix A)."""


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of an error; empty if the error is not the server's."""
    return getattr(driver_error(error), "sqlstate", None) or ""


def is_database_failure(error: BaseException) -> bool:
    """Whether the database failed or is not reached, rather than the statement being wrong."""
    error = driver_error(error)
    if isinstance(error, psycopg.OperationalError | PoolTimeoutError):
        return True  # with any code: connections, resources, deadlocks, shutdowns
    return isinstance(error, psycopg.Error) and sqlstate(error)[:2] not in _STATEMENT_ERRORS


def translate(error: BaseException, url: str) -> IndelibleError:
    """Return the error to raise instead of the driver's."""
    if isinstance(error, PoolTimeoutError):
        return StoreUnavailableError("all connections are in use")
    words, code = str(driver_error(error)).strip(), sqlstate(error)
    if code == _NO_DATABASE or (not code and 'database "' in words and "does not exist" in words):
        return StoreNotFoundError(url)
    if code in _CORRUPT:
        return StoreCorruptError(url, words)
    if code in _READ_ONLY:
        return StoreReadOnlyError(url, words)
    return StoreUnavailableError(words)


def translated_failures(url: str) -> ErrorTranslation:
    """Translate the driver's errors in the block, except those of a wrong statement.

    A wrong statement is the caller's mistake; its error is raised unchanged.
    """
    return ErrorTranslation(_ERRORS, _translate_failure, url)


def translated(url: str) -> ErrorTranslation:
    """Translate all of the driver's errors in the block to the library's."""
    return ErrorTranslation(_ERRORS, translate, url)


def _translate_failure(error: BaseException, url: str) -> IndelibleError | None:
    return translate(error, url) if is_database_failure(error) else None
