"""Where a PostgreSQL store lies: an address as the user writes it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from indelible.errors import MissingExtraError
from indelible.events.addresses import no_address

if TYPE_CHECKING:
    import sqlalchemy as sa

DRIVER = "postgresql+psycopg"


def is_postgres(url: str) -> bool:
    """Whether ``url`` is for PostgreSQL, with whatever driver.

    >>> is_postgres("postgresql://host/db"), is_postgres("sqlite:///a.db")
    (True, False)
    """
    return url.partition(":")[0].partition("+")[0] in ("postgresql", "postgres")


def parse_address(url: str) -> sa.URL:
    """Read ``postgresql+psycopg://user@host/database`` or ``postgresql://...``; asks no server.

    Raises:
        StoreNotFoundError: Not such an address, or one for another driver.
        MissingExtraError: The driver is not installed.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # the latter of a port that is no number
        raise no_address(url) from error
    if parsed.drivername not in ("postgresql", "postgres", DRIVER):
        raise no_address(url, f"its driver is not the one that is used, {DRIVER}")
    if not parsed.database:
        raise no_address(url, "it names no database")
    if find_spec("psycopg") is None:
        raise MissingExtraError("postgres", "a store on PostgreSQL")
    return parsed.set(drivername=DRIVER)
