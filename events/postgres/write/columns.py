"""Columns of a statement's rows, by type: each is sent as one array of PostgreSQL.

This module needs no driver; :mod:`indelible.events.postgres.write.binary_arrays` packs them.
"""

from __future__ import annotations


class Integers(list[int | None]):
    """A column of ``bigint``."""


class Blobs(list[bytes]):
    """A column of ``bytea``."""


class Texts(list[str | None]):
    """A column of ``text``."""
