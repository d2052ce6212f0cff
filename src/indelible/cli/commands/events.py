"""``indelible events``: the events of a stream, with payloads decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from indelible.cli.options.as_of import Moment, parse_as_of
from indelible.cli.options.common_options import DEFAULT_STORE, AsJson, Store, Until
from indelible.cli.render.console import (
    duration,
    fail,
    line,
    local_time,
    offset,
    one_line,
    out,
    plain,
    time_of_day,
)
from indelible.cli.tasks.open_system import reading

if TYPE_CHECKING:
    from indelible.api.system import ActorSystem
    from indelible.errors import IndelibleError
    from indelible.events.model.event import RecordedEvent

_ENCODED = {
    "run.accepted": ("definition", "input"),
    "run.step_completed": ("result",),
}
"""Fields of run events that hold an encoded user value."""

_DIGESTS = ("blob",)
_DETAILS = 300
"""Characters of a line that show the payload; ``--json`` shows all of it."""


def show_events(
    stream: Annotated[
        str, typer.Argument(metavar="STREAM", help="Such as run-2013-01, or the id of a run.")
    ],
    *,
    store: Store = DEFAULT_STORE,
    until: Until = None,
    as_of: Moment = None,
    as_json: AsJson = False,
) -> None:
    """List the events of a stream in order, as they are stored.

    With --json user values are whole, a result kept outside its event is named by its sha256.
    """
    if until is not None and as_of is not None:
        raise typer.BadParameter("give --until or --as-of, not both", param_hint="--as-of")
    moment = parse_as_of(as_of) if until is None else until
    with reading(store) as system:
        name = _name(system, stream)
        if moment is not None:
            from indelible.events.read.as_of import version_at

            until = version_at(system.store, name, moment)
        recorded = system.store.read(name, until=until)
        if as_json:
            from indelible.cli.render.values import write_json_list

            write_json_list(as_mapping(event) for event in recorded)
        else:
            _show(recorded)


def _name(system: ActorSystem, stream: str) -> str:
    """``stream`` if it exists, else the stream of the run with this id."""
    found = [n for n in (stream, f"run-{stream}") if system.store.head(n) is not None]
    if not found:
        fail(
            f"no stream {stream!r} in {system.url}; a stream is named such as run-ID, and"
            " `indelible runs` lists the ids"
        )
    return found[0]


def _show(recorded: Iterable[RecordedEvent]) -> None:
    console = out()
    day = ""
    for event in recorded:
        try:
            local = local_time(event.recorded_at)
        except (TypeError, ValueError, OverflowError) as error:
            raise _damage(event, error) from error
        today = f"{local:%Y-%m-%d}, local time, UTC{offset(local)}"
        if today != day:
            day = today
            line(console, (f"version  {today}", "dim"))
        line(
            console,
            f"{event.version:>7}  {time_of_day(event.recorded_at)}  ",
            (f"{plain(event.type):<18} ", "bold"),
            (origin(event), "cyan"),
            (details(event), "dim"),
        )


def origin(event: RecordedEvent) -> str:
    """The principal, reason and cause of an event, as text for its line; may be empty.

    Raises:
        EventDecodeError: The event is damaged.
    """
    fields = origin_of(event).items()
    text = one_line(" ".join(f"{name}={value}" for name, value in fields), _DETAILS)
    return f"{text}  " if text else ""


def origin_of(event: RecordedEvent) -> dict[str, str]:
    """The same as a mapping: the fields of the context that are set, without the trace.

    Raises:
        EventDecodeError: The event is damaged.
    """
    context = event.context
    fields = {name: getattr(context, field) for name, field in _ORIGIN.items()}
    if context.correlation_id == event.stream.partition("-")[2]:
        fields["correlation_id"] = ""  # the same as the id in the stream's name
    return {name: text for name, text in fields.items() if text}


_ORIGIN = {
    "by": "principal",
    "why": "reason",
    "tenant": "tenant",
    "agent": "agent",
    "correlation_id": "correlation_id",
    "causation_id": "causation_id",
}
"""Fields of a context that are shown, by the names of the parameters that set them."""


def details(event: RecordedEvent) -> str:
    """An event's payload, as one line."""
    from indelible.cli.render.values import brief

    fields = _fields(event)
    if event.type.startswith("run."):
        _shorten(fields)
    parts = [f"{name}={_word(value, brief)}" for name, value in fields.items()]
    return one_line("  ".join(parts), _DETAILS)


def _shorten(fields: dict[str, Any]) -> None:
    """Shorten the fields of a run event for one line, the most important first."""
    for name in ("at", "run_id", "traceback"):  # shown by the line's time, the stream, --json
        fields.pop(name, None)
    for name in fields.keys() & {"duration", "cpu"}:
        fields[name] = duration(fields[name])
    if "starts" in fields:
        starts = [path if n == 1 else f"{path} (attempt {n})" for path, n in fields["starts"]]
        fields["starts"] = ", ".join(starts)
    if "skips" in fields:
        fields["skips"] = ", ".join(f"{path} ({reason})" for path, reason in fields["skips"])
    for name in fields.keys() & {"definition", "result"}:
        fields[name] = fields.pop(name)


def _word(value: Any, brief: Any) -> str:
    return value if isinstance(value, str) else str(brief(value, 120))


def as_mapping(event: RecordedEvent) -> Mapping[str, Any]:
    """All stored fields of an event, with payload and metadata decoded.

    Raises:
        StoreCorruptError: The event is damaged.
    """
    try:
        return _all_of(event)
    except (TypeError, ValueError, AttributeError) as error:
        raise _damage(event, error) from error


def _damage(event: RecordedEvent, error: Exception) -> IndelibleError:
    from indelible.errors import EventDecodeError
    from indelible.events.model.event import DamagedEvent

    why = event.found if isinstance(event, DamagedEvent) else str(error) or type(error).__name__
    place = {name: getattr(event, name) for name in ("stream", "version", "shard", "position")}
    return EventDecodeError(event.type, event.schema, why, **place)


def _all_of(event: RecordedEvent) -> Mapping[str, Any]:
    import msgpack

    return {
        "stream": event.stream,
        "version": event.version,
        "position": event.position,
        "shard": event.shard,
        "event_id": str(UUID(bytes=event.event_id)),
        "type": event.type,
        "schema": event.schema,
        "recorded_at": event.recorded_at,
        "payload": _fields(event),
        "metadata": msgpack.unpackb(event.metadata),
        "epoch": event.epoch,
        "chain": event.chain.hex(),
    }


def _fields(event: RecordedEvent) -> dict[str, Any]:
    """The stored payload, with the encoded values inside it decoded.

    Raises:
        ValueDecodeError, EventDecodeError: The stored bytes are damaged.
    """
    import msgpack

    from indelible.events.codec.values import decode_value

    try:
        fields = msgpack.unpackb(event.payload)
    except Exception as error:
        raise _damage(event, error) from error
    if not isinstance(fields, dict):
        return {"payload": fields}
    for name in _ENCODED.get(event.type, ()):
        if fields.get(name):
            fields[name] = decode_value(fields[name])
    for name in _DIGESTS:
        if event.type.startswith("run.") and isinstance(fields.get(name), bytes):
            fields[name] = fields[name].hex()
    return fields
