"""Streams that are not found any more, looked for when a store is opened: a new one may be one.

A stream whose row is lost looks like one that never was; it would begin again at version 1, and a
run would do again what it has done.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import sqlalchemy as sa

from indelible.events.commit.shard_plan import Closed

_log = logging.getLogger(__name__)

# Bytes, as damage may put them there, are greater than all texts: the names are counted in their
# own index, which is where they are looked for.
_ON_SQLITE = "SELECT shard, streams, (SELECT count(*) FROM streams WHERE name < x'') FROM shards"
_ON_POSTGRES = """
    SELECT shards.shard, shards.streams, coalesce(found.count, 0) FROM shards LEFT JOIN (
        SELECT id >> 40 AS shard, count(*) FROM streams GROUP BY 1
    ) AS found USING (shard)
"""


def shards_with_lost_streams(connection: sa.Connection, url: str) -> Mapping[int, Closed]:
    """Shards of ``url`` that have numbered more streams than are found, and what to say of each.

    It is logged, too.  All are read: a million take SQLite 0.03 s, and PostgreSQL some 0.3 s.
    """
    lite = connection.dialect.name == "sqlite"
    lost: dict[int, Closed] = {}
    for shard, streams, found in connection.exec_driver_sql(_ON_SQLITE if lite else _ON_POSTGRES):
        if type(streams) is int and found < streams:
            words = f"{streams - found} of its {streams} are not found in the table streams"
            lost[shard] = Closed(url, f"shard {shard} takes no new streams: {words}")
            _log.error("%s; run verify, and restore a backup", lost[shard].why)
    return lost
