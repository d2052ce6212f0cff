"""Raises the library's errors in place of a driver's; each database says which one that is."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from sqlalchemy.exc import DBAPIError

from indelible.errors import IndelibleError

Translate = Callable[[BaseException, str], IndelibleError | None]
"""Returns what to raise for an error of the store at an address; ``None`` is the same error."""


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's error in one of SQLAlchemy; any other error unchanged."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    return error


class ErrorTranslation:
    """Translates errors in a block; for each statement a new one, so it is no generator."""

    __slots__ = ("_error_types", "_translate", "_url")

    def __init__(
        self, error_types: tuple[type[Exception], ...], translate: Translate, url: str
    ) -> None:
        """Translate errors of ``error_types``, which are of the store at ``url``."""
        self._error_types = error_types
        self._translate = translate
        self._url = url

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Raise the library's error if the block has raised the driver's."""
        if isinstance(error, self._error_types):
            translated = self._translate(error, self._url)
            if translated is not None:
                raise translated from error
