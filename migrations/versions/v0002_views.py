"""Create the tables of views: cursors, parked events, workflow_status and metrics.

Dropping them loses nothing: they are rebuilt from the events.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # in the order of code points


def upgrade() -> None:
    """Create the empty tables."""
    op.create_table(
        "projection_cursors",
        sa.Column("projection", TEXT, primary_key=True),
        sa.Column("shard", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "parked_events",
        sa.Column("projection", TEXT, primary_key=True),
        sa.Column("shard", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("stream", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("parked_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "workflow_status",
        sa.Column("run_id", TEXT, primary_key=True),
        sa.Column("agent", TEXT, nullable=False),
        sa.Column("workflow", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=True),
        sa.Column("steps_total", sa.BigInteger, nullable=False),
        sa.Column("steps_completed", sa.BigInteger, nullable=False),
        sa.Column("steps_failed", sa.BigInteger, nullable=False),
        sa.Column("steps_skipped", sa.BigInteger, nullable=False),
        sa.Column("steps_unknown", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("retries", sa.BigInteger, nullable=False),
        sa.Column("checkpoints", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger, nullable=True),
        sa.Column("error_type", TEXT, nullable=True),
        sa.Column("error_message", TEXT, nullable=True),
        sa.Column("error_step", TEXT, nullable=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_workflow_status_started", "workflow_status", ["started_at", "run_id"])
    op.create_index(
        "ix_workflow_status_state", "workflow_status", ["state", "started_at", "run_id"]
    )
    op.create_index("ix_workflow_status_agent", "workflow_status", ["agent", "state"])
    op.create_table(
        "metrics",
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("runs_accepted", sa.BigInteger, nullable=False),
        sa.Column("runs_succeeded", sa.BigInteger, nullable=False),
        sa.Column("runs_partial", sa.BigInteger, nullable=False),
        sa.Column("runs_failed", sa.BigInteger, nullable=False),
        sa.Column("runs_quarantined", sa.BigInteger, nullable=False),
        sa.Column("steps_completed", sa.BigInteger, nullable=False),
        sa.Column("steps_failed", sa.BigInteger, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
        sa.Column("response_us", sa.BigInteger, nullable=False),
        sa.Column("step_us", sa.BigInteger, nullable=False),
        sa.Column("cpu_us", sa.BigInteger, nullable=False),
        sa.Column("state_bytes_max", sa.BigInteger, nullable=False),
        sa.Column("state_bytes_last", sa.BigInteger, nullable=False),
        sa.Column("state_recorded_at", sa.BigInteger, nullable=False),
        sa.Column("state_stream", TEXT, nullable=False),
        sa.Column("state_version", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "metrics_response_times",
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("runs", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "metrics_runs",
        sa.Column("stream", TEXT, primary_key=True),
        sa.Column("agent", TEXT, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables; the events stay."""
    for table in (
        "metrics_runs",
        "metrics_response_times",
        "metrics",
        "workflow_status",
        "parked_events",
        "projection_cursors",
    ):
        op.drop_table(table)
