"""Create the log: shards, streams, events, blobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# On SQLite only INTEGER makes the key the row's own number; it holds 64 bits there.
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables; their columns are final.

    On SQLite there is one shard, and the position is the row's own number: no index to write in
    each commit, and none to look up for reading in order.
    """
    one_shard = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "shards",
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.Column("streams", sa.BigInteger, nullable=False),  # how many have been numbered
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),  # microseconds UTC
    )
    op.create_table(
        "streams",
        sa.Column("id", ROW_NUMBER, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("wake_at", sa.BigInteger, nullable=False),  # microseconds UTC, 0 is never
    )
    op.create_index("streams_by_status", "streams", ["category", "status"])
    op.create_index(
        "streams_by_wake_at",
        "streams",
        ["wake_at"],
        sqlite_where=sa.text("wake_at > 0"),
        postgresql_where=sa.text("wake_at > 0"),
    )
    op.create_table(
        "events",
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("position", ROW_NUMBER, nullable=False, autoincrement=False),
        sa.Column("stream_id", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.LargeBinary, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),  # microseconds UTC
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(*(("position",) if one_shard else ("shard", "position"))),
        sa.UniqueConstraint("stream_id", "version"),
    )
    op.create_table(
        "blobs",
        sa.Column("digest", sa.LargeBinary, primary_key=True),  # sha256 of the content
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("blobs", "events", "streams", "shards"):
        op.drop_table(table)
