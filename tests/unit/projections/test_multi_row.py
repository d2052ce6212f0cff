"""Statements over many rows: every row once, whatever their number, in few texts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from indelible.projections.sql.multi_row import MultiRow, insert

THINGS = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger),
)


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        THINGS.metadata.create_all(connection)
        yield connection
    engine.dispose()


@pytest.mark.parametrize("count", [1, 2, 5, 24, 25, 1_000, 16_383, 16_384, 40_000])
def test_every_row_arrives_once(connection: sa.Connection, count: int) -> None:
    rows = [(f"{number:06}", number) for number in range(count)]
    assert insert(THINGS).execute(connection, rows) == count
    assert connection.execute(sa.select(THINGS).order_by(THINGS.c.name)).all() == rows


def test_an_update_counts_the_rows_it_found(connection: sa.Connection) -> None:
    insert(THINGS).execute(connection, [("a", 1), ("b", 2)])
    add = MultiRow(
        ("text", "bigint"),
        "UPDATE things SET count = count + v.column2 FROM",
        "WHERE name = v.column1",
    )
    assert add.execute(connection, [("a", 10), ("b", 20), ("c", 30)]) == 2
    assert connection.execute(sa.select(THINGS.c.count)).scalars().all() == [11, 22]
