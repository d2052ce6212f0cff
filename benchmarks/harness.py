"""Shared by all benchmarks: the machine, n, medians, and raw sqlite3 as the reference."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RAW_EVENTS = 2_000

_RAW_TABLE = """
CREATE TABLE events (
    shard INTEGER NOT NULL, position INTEGER NOT NULL, stream INTEGER NOT NULL,
    version INTEGER NOT NULL, event_id BLOB NOT NULL, epoch INTEGER NOT NULL, type TEXT NOT NULL,
    schema INTEGER NOT NULL, payload BLOB NOT NULL, metadata BLOB NOT NULL,
    recorded_at INTEGER NOT NULL, chain BLOB NOT NULL,
    PRIMARY KEY (shard, position), UNIQUE (stream, version)
)
"""


def print_machine(what: str) -> None:
    """Print what is measured, and the machine."""
    print(f"# {what}")
    print(
        f"machine: {_processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    )


def raw_events_per_second(folder: Path) -> float:
    """Rows with an event's columns a second, one commit each, with sqlite3 alone (WAL, FULL)."""
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("DROP TABLE IF EXISTS events")
    connection.execute(_RAW_TABLE)
    insert = f"INSERT INTO events VALUES ({','.join('?' * 12)})"
    payload, metadata, chain = b"p" * 90, b"m" * 50, b"c" * 32
    begun = time.perf_counter()
    for n in range(1, RAW_EVENTS + 1):
        connection.execute("BEGIN IMMEDIATE")
        row = (0, n, n % 1_000, n, os.urandom(16), 1, "run.step_completed", 1, payload, metadata)
        connection.execute(insert, (*row, time.time_ns() // 1_000, chain))
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return RAW_EVENTS / seconds


def compare(name: str, repeat: int, measure: Callable[[Path], tuple[float, float]]) -> None:
    """Run ``measure`` and the raw reference in turn and print medians and the ratio.

    ``measure`` gets an empty folder and returns (operations a second, CPU microseconds each).
    """
    rates, raws, costs = [], [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            raws.append(raw_events_per_second(Path(folder)))
            rate, cost = measure(Path(folder))
            rates.append(rate)
            costs.append(cost)
    ratios = [rate / raw for rate, raw in zip(rates, raws, strict=True)]
    print(
        f"{name}: n={repeat}, median {statistics.median(rates):,.0f}/s "
        f"(min {min(rates):,.0f}, max {max(rates):,.0f}), "
        f"{statistics.median(costs):.1f} us CPU each, raw {statistics.median(raws):,.0f}/s, "
        f"ratio {statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
