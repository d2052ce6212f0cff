"""Create what processes share: leases, inbox, snapshots, consumers; add a state to parked events.

The log itself does not change, and reading it needs none of these tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the empty tables; leases end by the database's clock, in microseconds, or at 0."""
    with op.batch_alter_table("shards") as shards:
        shards.add_column(
            sa.Column("lease_until", sa.BigInteger, nullable=False, server_default=sa.text("0"))
        )
    with op.batch_alter_table("parked_events") as parked:
        parked.add_column(sa.Column("state", sa.Text, nullable=False, server_default="parked"))
    if op.get_bind().dialect.name == "postgresql":
        # Rows that change with every group stay in their page, and in no index but once.
        op.execute("ALTER TABLE streams SET (fillfactor = 70)")
        op.execute("ALTER TABLE shards SET (fillfactor = 20)")
    op.create_table(
        "processes",  # who may own shards, and what a running service says of itself
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("report", sa.LargeBinary, nullable=False),
        sa.Column("reported_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "roles",  # what one process at a time does: a projection, a consumer
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),  # processes.id
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "inbox",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            sa.Identity(),
            primary_key=True,
        ),
        sa.Column("message_id", sa.Text, nullable=False, unique=True),
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("submitted_at", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),  # microseconds UTC, 0 is none
        sa.Column("answered_at", sa.BigInteger, nullable=False),  # 0: not yet
        sa.Column("answer", sa.LargeBinary, nullable=True),
        sqlite_autoincrement=True,  # the number of a deleted row may still be under way
    )
    op.create_index(
        "inbox_waiting",
        "inbox",
        ["shard", "seq"],
        sqlite_where=sa.text("answered_at = 0"),
        postgresql_where=sa.text("answered_at = 0"),
    )
    op.create_index("inbox_answered", "inbox", ["answered_at"])
    op.create_table(
        "snapshots",
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("schema", sa.Text, nullable=False),  # of the state, as its decider names it
        sa.Column("taken_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "consumers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("shard", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables; the events stay."""
    for table in ("consumers", "snapshots", "inbox", "roles", "processes"):
        op.drop_table(table)
    with op.batch_alter_table("parked_events") as parked:
        parked.drop_column("state")
    with op.batch_alter_table("shards") as shards:
        shards.drop_column("lease_until")
