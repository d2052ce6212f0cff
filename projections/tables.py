"""The tables of the built-in views, of all views' cursors, and of parked events.

Migrations create them; a test checks that both agree.  Instants are microseconds UTC.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

METADATA = sa.MetaData()


TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text ordered by code points on every database, as in Python and SQLite."""


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=null)


def _integer(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


CURSORS = sa.Table(
    "projection_cursors",
    METADATA,
    sa.Column("projection", TEXT, primary_key=True),
    sa.Column("shard", sa.BigInteger, primary_key=True, autoincrement=False),
    _integer("position"),
    _integer("version"),  # of the projection that wrote the rows
)

PARKED = sa.Table(
    "parked_events",
    METADATA,
    sa.Column("projection", TEXT, primary_key=True),
    sa.Column("shard", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("stream"),
    _integer("version"),
    _text("type"),
    _text("error"),
    _integer("parked_at"),  # when the event was recorded: a view uses no other time
    sa.Column("state", sa.Text, nullable=False, server_default="parked"),  # or "skipped"
)

WORKFLOW_STATUS = sa.Table(
    "workflow_status",
    METADATA,
    sa.Column("run_id", TEXT, primary_key=True),
    _text("agent"),
    _text("workflow"),
    _text("state"),
    _text("outcome", null=True),
    _integer("steps_total"),
    _integer("steps_completed"),
    _integer("steps_failed"),
    _integer("steps_skipped"),
    _integer("steps_unknown"),  # cut off by a crash, and waiting for a person
    _integer("attempts"),
    _integer("retries"),
    _integer("checkpoints"),
    _integer("started_at"),
    _integer("updated_at"),
    _integer("finished_at", null=True),
    _text("error_type", null=True),
    _text("error_message", null=True),
    _text("error_step", null=True),
    _integer("version"),
    _integer("position"),
    *(
        sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
        for name in ("steps_running", "steps_retrying", "wake_at")  # of the last retry
    ),
    sa.Index("ix_workflow_status_started", "started_at", "run_id"),
    sa.Index("ix_workflow_status_state", "state", "started_at", "run_id"),
    sa.Index("ix_workflow_status_agent", "agent", "state"),
)

METRICS = sa.Table(
    "metrics",
    METADATA,
    sa.Column("agent", TEXT, primary_key=True),
    _integer("runs_accepted"),
    _integer("runs_succeeded"),
    _integer("runs_partial"),
    _integer("runs_failed"),
    _integer("runs_quarantined"),
    _integer("steps_completed"),
    _integer("steps_failed"),
    _integer("errors"),  # failed attempts and quarantines
    _integer("response_us"),  # summed over the runs of metrics_response_times
    _integer("step_us"),
    _integer("cpu_us"),
    _integer("state_bytes_max"),
    _integer("state_bytes_last"),
    _integer("state_recorded_at"),  # with stream and version: which event is the last one
    _text("state_stream"),
    _integer("state_version"),
    _integer("first_at"),
    _integer("last_at"),
)

METRICS_RESPONSE_TIMES = sa.Table(
    "metrics_response_times",
    METADATA,
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
    _integer("runs"),
)

METRICS_RUNS = sa.Table(
    "metrics_runs",
    METADATA,
    sa.Column("stream", TEXT, primary_key=True),
    _text("agent"),
)


def renamed(tables: Sequence[sa.Table], suffix: str) -> tuple[sa.Table, ...]:
    """Return copies of ``tables`` with ``suffix`` added to their names; ``tables`` if empty."""
    if not suffix:
        return tuple(tables)
    metadata = sa.MetaData()
    return tuple(table.to_metadata(metadata, name=table.name + suffix) for table in tables)


def stored_text(text: str) -> str:
    """Replace NUL in ``text``, which PostgreSQL cannot store.

    >>> stored_text("a" + chr(0) + "b") == "a" + chr(0xFFFD) + "b"
    True
    """
    return text.replace("\x00", "\ufffd")
