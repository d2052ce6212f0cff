"""The SQL of the writer: constant text, few statements for each group."""

from __future__ import annotations

from indelible.events.sqlite.write.many_rows import ManyRows

RAISE_EPOCH = """
    INSERT INTO shards (shard, epoch, head, chain, streams, owner, host, pid, since)
    VALUES (?, 1, 0, ?, 0, ?, ?, ?, ?)
    ON CONFLICT (shard) DO UPDATE SET
        epoch = CASE typeof(epoch) WHEN 'integer' THEN epoch + 1 ELSE epoch END,
        owner = excluded.owner, host = excluded.host, pid = excluded.pid, since = excluded.since
    RETURNING epoch
"""
LOAD = """
    SELECT epoch, head, chain, streams,
        (SELECT coalesce(max(id), 0) FROM streams WHERE id < 1 << 40)
    FROM shards WHERE shard = ?
"""
LAST = """
    SELECT position, chain, epoch, recorded_at FROM events
    WHERE CASE typeof(shard) WHEN 'integer' THEN shard = ? END ORDER BY position DESC LIMIT 1
"""

# The head is compared as well as the epoch, so that a bug of the library cannot leave a gap.
MOVE_HEAD = """
    UPDATE shards SET head = ?, chain = ?, streams = ? WHERE shard = ? AND epoch = ? AND head = ?
"""
SAME_HEAD = "UPDATE shards SET head = head WHERE shard = ?"

EVENTS = ManyRows(  # all of one shard, one epoch and one instant
    """
    INSERT INTO events (shard, epoch, recorded_at, position, stream_id, version, event_id, type,
        schema, payload, metadata, chain)
    SELECT ?1, ?2, ?3, * FROM {rows} WHERE column1 IS NOT NULL
    """,
    9,
    one="""
    INSERT INTO events (shard, epoch, recorded_at, position, stream_id, version, event_id, type,
        schema, payload, metadata, chain)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """,
)
NEW = ManyRows(
    """
    INSERT INTO streams (id, name, category, version, status, wake_at)
    SELECT * FROM {rows} WHERE column1 IS NOT NULL
    """,
    6,
    one="""
    INSERT INTO streams (id, name, category, version, status, wake_at) VALUES (?, ?, ?, ?, ?, ?)
    """,
)
MOVED = ManyRows(
    "UPDATE streams SET version = v.column2 FROM {rows} AS v WHERE id = v.column1",
    2,
    one="UPDATE streams SET version = ?2 WHERE id = ?1",
)
RESTATED = ManyRows(  # slower than the one above, since status and wake_at are indexed
    """
    UPDATE streams SET version = v.column2, status = v.column3, wake_at = v.column4
    FROM {rows} AS v WHERE id = v.column1
    """,
    4,
    one="UPDATE streams SET version = ?2, status = ?3, wake_at = ?4 WHERE id = ?1",
)
BLOB = "INSERT OR IGNORE INTO blobs (digest, content) VALUES (?, ?)"
NO_BLOB = "DELETE FROM blobs WHERE digest = ?"

ANSWERS = ManyRows(  # all at one instant; the first answer is kept
    """
    UPDATE inbox SET answered_at = ?1, answer = v.column2
    FROM {rows} AS v WHERE message_id = v.column1 AND answered_at = 0
    """,
    2,
    one="""
    UPDATE inbox SET answered_at = ?1, answer = ?3 WHERE message_id = ?2 AND answered_at = 0
    """,
)

LATE_ANSWERS = ManyRows(  # all at one instant; for the index inbox_awaiting
    """
    UPDATE inbox SET answered_at = ?1, answer = v.column3
    FROM {rows} AS v WHERE stream = v.column1 AND awaits = v.column2
        AND answered_at = 0 AND awaits <> ''
    """,
    3,
    one="""
    UPDATE inbox SET answered_at = ?1, answer = ?4
    WHERE stream = ?2 AND awaits = ?3 AND answered_at = 0 AND awaits <> ''
    """,
)
AWAITING = ManyRows(
    "UPDATE inbox SET awaits = v.column2 FROM {rows} AS v"
    " WHERE message_id = v.column1 AND answered_at = 0",
    2,
    one="UPDATE inbox SET awaits = ?2 WHERE message_id = ?1 AND answered_at = 0",
)

DONE = ManyRows(
    """
    DELETE FROM inbox WHERE answered_at = 0
        AND message_id IN (SELECT column1 FROM {rows} WHERE column1 IS NOT NULL)
    """,
    1,
    one="DELETE FROM inbox WHERE answered_at = 0 AND message_id = ?",
)
COMMANDS = ManyRows(  # all at one instant; these commands have no deadline
    """
    INSERT INTO inbox (submitted_at, deadline, answered_at, message_id, shard, stream, kind, body,
        sender, context)
    SELECT ?1, 0, 0, * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (message_id) DO NOTHING
    """,
    7,
    one="""
    INSERT INTO inbox (submitted_at, deadline, answered_at, message_id, shard, stream, kind, body,
        sender, context)
    VALUES (?, 0, 0, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (message_id) DO NOTHING
    """,
)

FIND = ManyRows(
    """
    SELECT id, name, category, version, status, wake_at
    FROM {rows} AS v JOIN streams ON name = v.column1
    """,
    1,
    one="SELECT id, name, category, version, status, wake_at FROM streams WHERE name = ?",
)
EVENT_IDS = ManyRows(
    """
    SELECT stream_id, version, event_id
    FROM {rows} AS v JOIN events ON stream_id = v.column1 AND version = v.column2
    """,
    2,
    one="""
    SELECT stream_id, version, event_id FROM events WHERE stream_id = ? AND version = ?
    """,
)
