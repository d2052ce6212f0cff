"""Add to the inbox which commands are handled and wait for a late answer, and index them.

They may be many, so what looks for commands that wait to be handled must not read them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column, which is empty for each command that is there, and the indexes."""
    op.add_column(
        "inbox", sa.Column("awaits", sa.Text, nullable=False, server_default=sa.text("''"))
    )
    for name in ("inbox_answered", "inbox_waiting"):
        op.drop_index(name, "inbox")
    op.create_index("inbox_answered", "inbox", ["answered_at", "awaits"])
    _index("inbox_waiting", ["shard", "seq"], "answered_at = 0 AND awaits = ''")
    _index("inbox_awaiting", ["stream", "awaits"], "answered_at = 0 AND awaits <> ''")


def downgrade() -> None:
    """Drop the column; commands that wait for a late answer are handled again."""
    for name in ("inbox_awaiting", "inbox_waiting", "inbox_answered"):
        op.drop_index(name, "inbox")
    op.drop_column("inbox", "awaits")
    op.create_index("inbox_answered", "inbox", ["answered_at"])
    _index("inbox_waiting", ["shard", "seq"], "answered_at = 0")


def _index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "inbox", columns, sqlite_where=condition, postgresql_where=condition)
