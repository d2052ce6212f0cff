"""The accepted forms of a store's address, and the errors for any other address or mode."""

from __future__ import annotations

from typing import Literal, get_args

from indelible.errors import StoreNotFoundError, UnknownModeError

FORMS = (
    "sqlite:///FILE (sqlite:////FILE from the root), postgresql+psycopg://USER@HOST/DATABASE, or "
    "memory:// for a test"
)
"""The accepted forms, as text for error messages."""

Mode = Literal["own", "read", "client"]
"""How a store is opened: to write it, to read it, or to send commands to its owner."""


def address_error(url: str, what: str = "that is no address of a store") -> StoreNotFoundError:
    """Return the error that names the accepted forms; ``what`` says the fault of ``url``."""
    return StoreNotFoundError(_without_password(url), f"{what}; give {FORMS}")


def check_mode(mode: str) -> None:
    """Check that ``mode`` is a :data:`Mode`.

    Raises:
        UnknownModeError: ``mode`` is another text.

    >>> check_mode("read")
    """
    if mode not in get_args(Mode):
        raise UnknownModeError(mode, get_args(Mode))


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string()
    except (ArgumentError, ValueError):
        return url
