"""Add the context of a command to the inbox: principal, reason, request and so on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; unanswered commands get an empty context."""
    nothing = "''" if op.get_bind().dialect.name == "postgresql" else "x''"
    op.add_column(
        "inbox",
        sa.Column("context", sa.LargeBinary, nullable=False, server_default=sa.text(nothing)),
    )


def downgrade() -> None:
    """Drop the column; the events that commands have caused keep their contexts."""
    op.drop_column("inbox", "context")
