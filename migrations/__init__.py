"""Schema migrations, found wherever the package is installed; alembic is imported when one runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = Path(__file__).parent
_one_at_a_time = threading.Lock()  # alembic keeps its context in a module of its own


@cache
def revisions() -> tuple[str, ...]:
    """The revisions that this version brings, oldest first; read once, from the files' names."""
    return tuple(sorted(path.stem[1:5] for path in (_HERE / "versions").glob("v[0-9]*.py")))


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
    from alembic import command

    with _one_at_a_time:
        command.upgrade(alembic_config(url), revision)


def migrate(
    connection: sa.Connection, revision: str = "head", *, inside: Callable[[], None] | None = None
) -> None:
    """Bring the database behind ``connection`` to ``revision``, in the caller's transaction.

    The caller has begun it, with the write lock, and commits; ``inside`` is called at the end.
    """
    from alembic import command

    config = alembic_config("sqlite://")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, revision)
    if inside is not None:
        inside()
