"""Schema migrations, found wherever the package is installed; alembic is imported when one runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from indelible.forks import process_wide

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = Path(__file__).parent
_TALKATIVE = ("alembic.runtime.migration", "alembic.runtime.plugins")
"""Loggers of alembic that tell of each step at INFO."""

_one_at_a_time = process_wide(threading.Lock())  # alembic keeps its context in a module of its own


@cache
def revisions() -> tuple[str, ...]:
    """The revisions that this version brings, oldest first; read once, from the files' names."""
    return tuple(sorted(path.stem[1:5] for path in (_HERE / "versions").glob("v[0-9]*.py")))


@contextmanager
def _alembic_is_quiet() -> Iterator[None]:
    """Keep what alembic says of its own work, below a warning, out of the program's log.

    Only what this thread has it say: the program may use alembic for its own databases.
    """
    here = threading.get_ident()

    def passes(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or threading.get_ident() != here

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(passes)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(passes)


def head_revision() -> str:
    """The newest revision."""
    return revisions()[-1]


def alembic_config(url: str) -> Config:
    """Alembic settings for the database at ``url``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at ``url`` to ``revision`` in a transaction of its own."""
    with _one_at_a_time, _alembic_is_quiet():
        from alembic import command

        command.upgrade(alembic_config(url), revision)


def migrate(
    connection: sa.Connection, revision: str = "head", *, inside: Callable[[], None] | None = None
) -> None:
    """Bring the database behind ``connection`` to ``revision``, in the caller's transaction.

    The caller has begun it, with the write lock, and commits; ``inside`` is called at the end.
    """
    with _one_at_a_time, _alembic_is_quiet():
        from alembic import command

        config = alembic_config("sqlite://")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    if inside is not None:
        inside()
