"""The SQL of the writer: constant text, one statement for each kind of row, columns as arrays."""

from __future__ import annotations

from indelible.events.connections.database_clock import POSTGRESQL as NOW

# Own shards by (number, epoch).  A lost connection may leave a group in the server: raising the
# epoch waits for a group that the server is writing, and makes one that it has not begun fail.
RAISE_EPOCHS = f"""
    UPDATE shards SET epoch = shards.epoch + 1, lease_until = {NOW} + %s
    FROM unnest(%s::bigint[], %s::bigint[]) AS own (shard, epoch)
    WHERE shards.shard = own.shard AND shards.epoch = own.epoch
    RETURNING shards.shard, shards.epoch
"""
ENDS = """
    SELECT shards.shard, shards.epoch, head, substr(shards.chain, 1, 33), streams,
        coalesce(last.position, 0), substr(last.chain, 1, 33), coalesce(last.epoch, 0),
        coalesce(last.recorded_at, 0),
        coalesce((SELECT max(id) FROM streams
            WHERE id > (shards.shard::bigint << 40)
                AND id < ((shards.shard::bigint + 1) << 40)), 0)
    FROM shards LEFT JOIN LATERAL (
        SELECT position, chain, epoch, recorded_at FROM events
        WHERE events.shard = shards.shard ORDER BY position DESC LIMIT 1
    ) AS last ON true
    WHERE shards.shard = ANY (%s::bigint[])
"""
EPOCHS = "SELECT shard, epoch, head FROM shards WHERE shard = ANY (%s::bigint[])"

# A group is one statement with its own transaction: one round trip, and one query plan for each set
# of its parts.  If fewer heads than plans are updated, an error rolls the statement back.
# The head is compared as well as the epoch, so that a bug of the library cannot leave a gap.
HEADS = f"""
    WITH heads AS (
        UPDATE shards SET head = own.head, chain = own.chain, streams = own.streams,
            lease_until = {NOW} + %s
        FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bytea[],
            %s::bigint[]) AS own (shard, epoch, before, head, chain, streams)
        WHERE shards.shard = own.shard AND shards.epoch = own.epoch AND shards.head = own.before
        RETURNING 1
    )
"""
EVENTS = """, events AS (
        INSERT INTO events (shard, position, stream_id, version, event_id, epoch, type, schema,
            payload, metadata, recorded_at, chain)
        SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bytea[],
            %s::bigint[], %s::text[], %s::bigint[], %s::bytea[], %s::bytea[], %s::bigint[],
            %s::bytea[])
    )
"""
NEW = """, new AS (
        INSERT INTO streams (id, name, category, version, status, wake_at)
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::text[],
            %s::bigint[])
    )
"""
MOVED = """, moved AS (
        UPDATE streams SET version = v.version
        FROM unnest(%s::bigint[], %s::bigint[]) AS v (id, version) WHERE streams.id = v.id
    )
"""
RESTATED = """, restated AS (
        UPDATE streams SET version = v.version, status = v.status, wake_at = v.wake_at
        FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
            AS v (id, version, status, wake_at)
        WHERE streams.id = v.id
    )
"""
FENCE = """
    SELECT 1 / (CASE WHEN count(*) = %s THEN 1 ELSE 0 END) FROM heads
"""
DIVISION_BY_ZERO = "22012"

BLOBS = """
    INSERT INTO blobs (digest, content) SELECT * FROM unnest(%s::bytea[], %s::bytea[])
    ON CONFLICT DO NOTHING
"""
ANSWERS = f"""
    UPDATE inbox SET answered_at = {NOW}, answer = v.answer
    FROM unnest(%s::text[], %s::bytea[]) AS v (message_id, answer)
    WHERE inbox.message_id = v.message_id AND inbox.answered_at = 0
"""
LATE_ANSWERS = f"""
    UPDATE inbox SET answered_at = {NOW}, answer = v.answer
    FROM unnest(%s::text[], %s::text[], %s::bytea[]) AS v (stream, key, answer)
    WHERE inbox.stream = v.stream AND inbox.awaits = v.key
        AND inbox.answered_at = 0 AND inbox.awaits <> ''
"""
AWAITING = """
    UPDATE inbox SET awaits = v.key FROM unnest(%s::text[], %s::text[]) AS v (message_id, key)
    WHERE inbox.message_id = v.message_id AND inbox.answered_at = 0
"""
DONE = "DELETE FROM inbox WHERE message_id = ANY (%s::text[]) AND answered_at = 0"
COMMANDS = f"""
    INSERT INTO inbox (message_id, shard, stream, kind, body, sender, context, submitted_at,
        deadline, answered_at)
    SELECT *, {NOW}, 0, 0 FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::bytea[],
        %s::text[], %s::bytea[])
    ON CONFLICT (message_id) DO NOTHING
"""
NO_BLOB = "DELETE FROM blobs WHERE digest = %s"

FIND = """
    SELECT id, name, category, version, status, wake_at FROM streams WHERE name = ANY (%s::text[])
"""
EVENT_IDS = """
    SELECT events.stream_id, events.version, event_id
    FROM unnest(%s::bigint[], %s::bigint[]) AS v (stream_id, version)
    JOIN events ON events.stream_id = v.stream_id AND events.version = v.version
"""
