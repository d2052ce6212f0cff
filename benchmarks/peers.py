"""One run of 100 sequential steps, compared with other systems: all on SQLite, WAL and FULL.

Each peer runs in its own process, with the interpreter that ``--python`` names: peers are no
dependency of this project.  A peer that is not installed there is reported and skipped.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import print_machine, raw_events_per_second
from runs import one_run

STEPS = 100
PEERS = ("burr", "langgraph", "dbos")
_SCRIPT = Path(__file__).with_name("peer") / "one_run.py"


def peer_rate(python: str, name: str) -> float | None:
    """Steps a second of the peer; ``None`` if it is not installed for ``python``."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, str(_SCRIPT), name, str(STEPS), folder],
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode == 3:
        return None
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    return float(done.stdout.split()[-1])


def our_rate() -> tuple[float, float, float]:
    """Steps a second, CPU microseconds a step, and events a second of raw SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        raw = raw_events_per_second(Path(folder))
        rate, cost = one_run(Path(folder), STEPS)
        return rate, cost, raw


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="rounds, each of all systems in turn")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peers")
    arguments = parser.parse_args()
    print_machine(f"1 run x {STEPS} sequential steps")
    rates: dict[str, list[float]] = {}
    costs, raws = [], []
    for _ in range(arguments.n):
        ours, cost, raw = our_rate()
        rates.setdefault("indelible", []).append(ours)
        costs.append(cost)
        raws.append(raw)
        for name in PEERS:
            theirs = peer_rate(arguments.python, name)
            if theirs is not None:
                rates.setdefault(name, []).append(theirs)
    mine = statistics.median(rates["indelible"])
    print(
        f"indelible: n={arguments.n}, median {mine:,.0f} steps/s, "
        f"{statistics.median(costs):.0f} us CPU a step, {mine / statistics.median(raws):.2f} x raw "
        f"({statistics.median(raws):,.0f}/s)"
    )
    for name in PEERS:
        if name in rates:
            theirs = statistics.median(rates[name])
            print(f"{name}: median {theirs:,.0f} steps/s; indelible has {mine / theirs:.2f} x that")
        else:
            print(f"{name}: not installed for {arguments.python}")
