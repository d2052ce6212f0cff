"""Stores of tests are made of remembered statements, and have the schema that alembic makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from indelible.events.opening import open_store
from indelible.migrations import upgrade
from postgres_server import connect

OF_SQLITE = [
    "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name",
    "SELECT * FROM alembic_version",
]
OF_POSTGRES = [
    """SELECT table_name, column_name, ordinal_position, column_default, is_nullable, data_type,
        collation_name, is_identity FROM information_schema.columns
        WHERE table_schema = 'public' ORDER BY table_name, ordinal_position""",
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
    """SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY conname""",
    """SELECT relname, reloptions::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace ORDER BY relname""",
    "SELECT version_num FROM alembic_version",
]


def schema(url: str) -> list[Any]:
    engine = sa.create_engine(url)
    questions = OF_SQLITE if engine.dialect.name == "sqlite" else OF_POSTGRES
    with engine.connect() as connection:
        found = [connection.exec_driver_sql(question).all() for question in questions]
    engine.dispose()
    return found


def empty(url: str) -> None:
    if url.startswith("sqlite"):
        Path(str(sa.make_url(url).database)).unlink()
        return
    with connect(url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def test_what_is_remembered_makes_what_alembic_makes(each_url: str) -> None:
    upgrade(each_url)
    wanted = schema(each_url)
    assert all(wanted)
    for _ in range(2):  # whatever ran before: the second time it is remembered
        empty(each_url)
        open_store(each_url).close()
        assert schema(each_url) == wanted
