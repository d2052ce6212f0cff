"""Add what runs wait for to workflow_status, and sort the index of streams by status and wake-up.

The view is rebuilt when the store opens.  Until then each unfinished run counts as running, so that
no reader leaves it out.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; create two indexes again."""
    for name in ("steps_running", "steps_retrying", "wake_at"):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
        op.add_column("workflow_status", column)
    op.execute("UPDATE workflow_status SET steps_running = 1 WHERE finished_at IS NULL")
    op.drop_index("streams_by_status", "streams")
    op.create_index("streams_by_status", "streams", ["category", "status", "wake_at"])
    _index_wake_at(["wake_at", "id"])


def downgrade() -> None:
    """Drop the columns, and create the old indexes."""
    _index_wake_at(["wake_at"])
    op.drop_index("streams_by_status", "streams")
    op.create_index("streams_by_status", "streams", ["category", "status"])
    for name in ("wake_at", "steps_retrying", "steps_running"):
        op.drop_column("workflow_status", name)


def _index_wake_at(columns: list[str]) -> None:
    """Index streams by wake-up time; on SQLite each entry ends with the row's id in any case."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("streams_by_wake_at", "streams")
        where = sa.text("wake_at > 0")
        op.create_index("streams_by_wake_at", "streams", columns, postgresql_where=where)
