"""Follows a log for ``indelible tail``, without a system, so that no run is resumed."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from difflib import get_close_matches
from types import FrameType

import typer

from indelible.cli.commands.events import as_mapping, details, origin
from indelible.cli.render.console import line, local_time, offset, out, plain, say, time_of_day
from indelible.cli.render.values import dumped
from indelible.cli.tasks.open_system import reading
from indelible.cli.watching.service_presence import announce
from indelible.clock import SystemClock
from indelible.errors import SchemaVersionError
from indelible.events.lease.role_holder import RoleHolder
from indelible.events.model.event_types import EventTypes, run_event_types
from indelible.events.opening import open_store
from indelible.events.postgres.address import is_postgres
from indelible.events.store import EventStore
from indelible.events.subscribe.batches import EventBatch, Selection
from indelible.events.subscribe.consumers import Consumer
from indelible.events.subscribe.log_followers import LogFollowers
from indelible.events.subscribe.shard_pages import format_cursor, parse_cursor
from indelible.events.subscribe.subscription import After, Following, Subscription
from indelible.ids import Ids
from indelible.service.service_watch import ServiceWatch


def beginning(text: str | None, *, new: bool) -> After:
    """The position that ``--from`` names; ``new``: for the first use of a consumer's name.

    Raises:
        typer.BadParameter: ``text`` is no cursor.
    """
    if text is None:
        return None if new else "end"
    if text == "end":
        return "end"
    try:
        return parse_cursor(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}, or end", param_hint="--from") from error


def unknown(types: Iterable[str]) -> list[str]:
    """Warnings about event types that this program does not know; users' own types may exist.

    >>> unknown(["run.completed", "order.placed"])
    []
    >>> unknown(["run.quarantine"])
    ["no event type 'run.quarantine' is known here; did you mean 'run.quarantined'?"]
    """
    known = [event.wire_name for event in run_event_types().classes()]
    categories = {name.partition(".")[0] for name in known}
    texts = []
    for name in types:
        close = get_close_matches(name, known, 2, 0.7)
        if name not in known and (close or name.partition(".")[0] in categories):
            candidates = " or ".join(map(repr, close))
            advice = f"did you mean {candidates}?" if close else f"there are {', '.join(known)}"
            texts.append(f"no event type {name!r} is known here; {advice}")
    return texts


def _missing(store: EventStore, streams: Iterable[str]) -> Iterator[str]:
    """Warnings about streams that have no event yet."""
    for name in streams:
        if store.head(name) is None:
            run = f"run-{name}"
            advice = f"; did you mean {run!r}?" if store.head(run) is not None else " yet"
            yield f"there is no stream {name!r}{advice}"


def tail(
    url: str,
    after: After,
    types: Sequence[str] | None,
    category: str | None,
    streams: Sequence[str] | None,
    *,
    follow: bool,
    consumer: str | None,
    as_json: bool,
) -> None:
    """Write events to stdout until the end of the log, or until a signal."""
    for text in unknown(types or ()):
        say(text, "yellow")
    selection = Selection(types, category, streams)
    write = _write_json if as_json else _EventLines()
    with _end_on_signals(), ExitStack() as stack:
        following: Following
        if consumer is None:
            store = stack.enter_context(closing(open_store(url, mode="read")))
            following = Subscription(
                LogFollowers(store), EventTypes(), after=after, selection=selection, live=follow
            )
        else:
            store = stack.enter_context(closing(_open_for_a_consumer(url)))
            roles = stack.enter_context(closing(_roles(store)))
            following = _consumer(
                LogFollowers(store), roles, consumer, after, selection, live=follow
            )
        if follow:
            announce(ServiceWatch(store, SystemClock()), store)
        for text in _missing(store, streams or ()):
            say(text, "yellow")
        stack.enter_context(following)
        try:
            for batch in following:
                write(batch)
                if isinstance(following, Consumer):
                    following.commit(batch.cursor)
        except SystemExit:
            if consumer is None:
                say(f"go on with --from {format_cursor(following.cursor)}")
            raise


def _consumer(
    followers: LogFollowers,
    roles: RoleHolder,
    name: str,
    after: After,
    selection: Selection,
    *,
    live: bool,
) -> Consumer:
    try:
        return Consumer(
            followers, EventTypes(), roles, name, after=after, selection=selection, live=live
        )
    except ValueError as error:  # the name is not valid
        raise typer.BadParameter(str(error), param_hint="--consumer") from error


def _open_for_a_consumer(url: str) -> EventStore:
    """A store that can save a consumer's position; on PostgreSQL it owns no shard."""
    if is_postgres(url):
        return open_store(url, mode="client")
    try:
        with reading(url):
            pass  # refuse a store that does not exist, which mode "own" would create
    except SchemaVersionError:
        pass  # opening it in mode "own" migrates it, or raises the reason
    return open_store(url, mode="own")


def _roles(store: EventStore) -> RoleHolder:
    clock = SystemClock()
    return RoleHolder(store, Ids(clock).text(), clock)


def _write_json(batch: EventBatch) -> None:
    for item in batch:
        event = {**as_mapping(item.recorded), "cursor": format_cursor(item.cursor)}
        sys.stdout.write(dumped(event, indent=None) + "\n")
    sys.stdout.flush()


class _EventLines:
    """Writes one line for each event, and one for each new day."""

    def __init__(self) -> None:
        self._console = out()
        self._day = ""

    def __call__(self, batch: EventBatch) -> None:
        for item in batch:
            event = item.recorded
            local = local_time(event.recorded_at)
            day = f"{local:%Y-%m-%d}, local time, UTC{offset(local)}"
            if day != self._day:
                self._day = day
                line(self._console, (day, "dim"))
            line(
                self._console,
                f"{time_of_day(event.recorded_at)}  {plain(event.stream)} {event.version}  ",
                (f"{plain(event.type)}  ", "bold"),
                (origin(event), "cyan"),
                (details(event), "dim"),
            )


@contextmanager
def _end_on_signals() -> Iterator[None]:
    """Have SIGINT and SIGTERM end the command cleanly, with 130 or 143, while it waits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    # If the signal comes while a connection returns to its pool, SQLAlchemy logs a traceback.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    raise SystemExit(128 + number)
