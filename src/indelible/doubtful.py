"""Runs that have ended by their rows in ``streams``, and go on by a view of their events.

A row is what the log's writer said, and may be edited, or restored from another time.  The view
``workflow_status`` is made from the events: what it knows no end of is looked at.  It may lag, or
be damaged itself, so that nobody believes it either: the events tell.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence

import sqlalchemy as sa

from indelible.errors import StoreCorruptError
from indelible.events.store import EventStore, StreamHead
from indelible.projections.queries import ACTIVE
from indelible.projections.tables import WORKFLOW_STATUS

logger = logging.getLogger("indelible.system")

_ACTIVE = sa.select(WORKFLOW_STATUS.c.run_id).where(WORKFLOW_STATUS.c.state.in_(ACTIVE))


def doubtful_heads(
    store: EventStore, shards: Collection[int], known: Collection[str]
) -> Iterator[StreamHead]:
    """Heads of such runs in ``shards``, those of ``known`` streams left out.

    Costs one look at the view's unfinished runs, and one for each that is doubtful: few, as long as
    the view does not lag.
    """
    try:
        with store.read_views() as connection:
            run_ids: Sequence[object] = connection.execute(_ACTIVE).scalars().all()
    except StoreCorruptError as error:
        logger.warning("the view of runs cannot be asked which of them go on: %s", error)
        return
    for run_id in run_ids:
        stream = f"run-{run_id}"
        if stream in known or not isinstance(run_id, str) or store.shard_of(stream) not in shards:
            continue
        try:
            head = store.head(stream)
        except StoreCorruptError as error:
            logger.warning("passed over: %s", error)
            continue
        if head is None:
            logger.warning("passed over: %s is known to a view, and has no row in streams", stream)
        else:
            yield head
