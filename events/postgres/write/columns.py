"""Columns of a statement's rows, by their type: each becomes one array of PostgreSQL.

They need no driver: :mod:`indelible.events.postgres.write.binary_arrays` has it send them.
"""

from __future__ import annotations


class Integers(list[int | None]):
    """A column of ``bigint``."""


class Blobs(list[bytes]):
    """A column of ``bytea``."""


class Texts(list[str | None]):
    """A column of ``text``."""
