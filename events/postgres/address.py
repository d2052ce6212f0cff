"""Parses the address of a PostgreSQL store."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from indelible.errors import MissingExtraError
from indelible.events.addresses import address_error

if TYPE_CHECKING:
    import sqlalchemy as sa

DRIVER = "postgresql+psycopg"


def is_postgres(url: str) -> bool:
    """Whether ``url`` is for PostgreSQL, with any driver.

    >>> is_postgres("postgresql://host/db"), is_postgres("sqlite:///a.db")
    (True, False)
    """
    return url.partition(":")[0].partition("+")[0] in ("postgresql", "postgres")


def parse_address(url: str) -> sa.URL:
    """Parse ``postgresql+psycopg://user@host/database`` or ``postgresql://...``; does not connect.

    Raises:
        StoreNotFoundError: ``url`` has another form, or names another driver.
        MissingExtraError: The driver is not installed.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # ValueError: the port is not a number
        raise address_error(url) from error
    if parsed.drivername not in ("postgresql", "postgres", DRIVER):
        raise address_error(url, f"its driver is not the one that is used, {DRIVER}")
    if not parsed.database:
        raise address_error(url, "it names no database")
    if find_spec("psycopg") is None:
        raise MissingExtraError("postgres", "a store on PostgreSQL")
    return parsed.set(drivername=DRIVER)
