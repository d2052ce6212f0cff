"""What runs wait for: the view knows it, and the indexes lead past what sleeps to what runs.

The view is made anew when the store opens.  Until then each run that goes on counts as running, so
that it is looked at.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; make two indexes anew."""
    for name in ("steps_running", "steps_retrying", "wake_at"):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
        op.add_column("workflow_status", column)
    op.execute("UPDATE workflow_status SET steps_running = 1 WHERE finished_at IS NULL")
    op.drop_index("streams_by_status", "streams")
    op.create_index("streams_by_status", "streams", ["category", "status", "wake_at"])
    _index_wake_at(["wake_at", "id"])


def downgrade() -> None:
    """Take all of it back."""
    _index_wake_at(["wake_at"])
    op.drop_index("streams_by_status", "streams")
    op.create_index("streams_by_status", "streams", ["category", "status"])
    for name in ("wake_at", "steps_retrying", "steps_running"):
        op.drop_column("workflow_status", name)


def _index_wake_at(columns: list[str]) -> None:
    """Index what wants to be woken; on SQLite each entry ends with the row's number anyway."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("streams_by_wake_at", "streams")
        where = sa.text("wake_at > 0")
        op.create_index("streams_by_wake_at", "streams", columns, postgresql_where=where)
