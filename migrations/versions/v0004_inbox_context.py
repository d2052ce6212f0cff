"""Commands of the inbox come with a context: who asks, why, and for which request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; commands that wait have none."""
    nothing = "''" if op.get_bind().dialect.name == "postgresql" else "x''"
    op.add_column(
        "inbox",
        sa.Column("context", sa.LargeBinary, nullable=False, server_default=sa.text(nothing)),
    )


def downgrade() -> None:
    """Drop it; the events that these commands caused keep theirs."""
    op.drop_column("inbox", "context")
