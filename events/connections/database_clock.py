"""The database's clock as SQL: the only clock that all processes of a store share."""

from __future__ import annotations

from typing import Final

SQLITE: Final = "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"
POSTGRESQL: Final = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"

NOW = {"sqlite": SQLITE, "postgresql": POSTGRESQL}
"""Microseconds UTC, by SQLAlchemy's name of the dialect."""
