"""A survey as text: the verdict, the log, and one block for each process."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from indelible.cli.render.console import count, duration, facts, instant, plain
from indelible.projections.queries.view_lag import ViewLag
from indelible.service.health_report import Health
from indelible.service.process_rows import Process
from indelible.service.survey import HEALTHY, UNHEALTHY, Log, Survey

_VERDICTS = {HEALTHY: ("healthy", "green"), UNHEALTHY: ("not healthy", "red")}
_UNSERVED = ("not served", "red")
_STYLES = {"ready": "green", "draining": "yellow"}


def picture(survey: Survey) -> Group:
    """The whole ``survey``."""
    blocks = [block for process in survey.processes for block in (Text(), process_block(process))]
    return Group(verdict(survey), Padding(facts(log_facts(survey.log)), (0, 0, 0, 2)), *blocks)


def verdict(survey: Survey) -> Text:
    """The verdict and its reasons, one a line."""
    text = Text.assemble(_VERDICTS.get(survey.verdict, _UNSERVED), f"  {plain(survey.url)}")
    for reason in survey.why:
        text.append(f"\n  {plain(reason)}")
    return text


def log_facts(log: Log) -> list[tuple[str, str | Text]]:
    """Figures of the log."""
    runs = ", ".join(f"{number:,} {state}" for state, number in sorted(log.runs.items()))
    pairs: list[tuple[str, str | Text]] = [
        ("log", count(log.events, "event")),
        ("runs", runs or "none unfinished"),
        ("views", _views(log.views)),
        ("inbox", f"{count(log.inbox, 'command')} waiting"),
    ]
    if log.overdue_s:
        pairs.append(("overdue", f"a stream should have been woken {_seconds(log.overdue_s)} ago"))
    return pairs


def process_block(process: Process) -> RenderableType:
    """One process: its identity and its health."""
    health = process.health
    named = f" ({plain(process.name)})" if process.name else ""
    title = Text.assemble(
        (f"process {process.pid}", "bold"), f"{named} on {plain(process.host)}  ", state(process)
    )
    pairs: list[tuple[str, str | Text]] = [("since", instant(process.since))]
    if process.report_age_s is not None:
        pairs.append(("report", f"{_seconds(process.report_age_s)} ago"))
    if health is not None and process.alive:
        pairs += _health_facts(process, health)
    return Group(title, Padding(facts(pairs), (0, 0, 0, 2)))


def state(process: Process) -> Text:
    """The state of a process, as one word."""
    if not process.alive:
        return Text("stale", "red")
    if process.health is None:
        return Text("silent", "yellow")
    word = process.health.state
    return Text(plain(word), _STYLES.get(word, "red"))


def _health_facts(process: Process, health: Health) -> list[tuple[str, str | Text]]:
    boxes, steps, timers = health.mailboxes, health.steps, health.timers
    calls = health.calls
    worst = f", at most {boxes.longest:,} ({boxes.longest_of})" if boxes.messages else ""
    unregistered = f", {steps.unregistered:,} of no registered type" if steps.unregistered else ""
    late = f", the oldest {_seconds(timers.late_s)} late" if timers.late_s else ""
    inbox = "unknown" if health.inbox is None else f"{count(health.inbox, 'command')} waiting"
    return [
        ("shards", f"{process.shards} of {health.shards.of}"),
        ("actors", f"{health.actors:,} in memory"),
        ("mailboxes", f"{count(boxes.messages, 'message')} waiting{worst}"),
        ("steps", f"{steps.running:,} running, {steps.queued:,} queued{unregistered}"),
        ("calls", f"{calls.running:,} running, {calls.queued:,} queued"),
        ("threads", f"{health.threads}"),
        ("views", "unknown" if health.views is None else _views(health.views)),
        ("timers", f"{timers.pending:,} to come{late}"),
        ("inbox", inbox),
        ("store", health.store),
    ]


def _views(lags: dict[str, ViewLag]) -> str:
    behind = [
        f"{name} {count(lag.events, 'event')} and {_seconds(lag.seconds)} behind"
        for name, lag in sorted(lags.items())
        if lag.events
    ]
    return ", ".join(behind) or "up to date"


def _seconds(seconds: float) -> str:
    return duration(seconds * 1e6)
