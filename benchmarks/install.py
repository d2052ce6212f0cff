"""The cost of the library: processor time of the import, size of the core install.

Modules that only a system needs are imported with the first system, so both are measured: the
import, and a whole process that runs one step in an existing store.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from harness import print_machine

IMPORT = """
import time
begun = time.process_time()
import indelible
indelible.ActorSystem
print((time.process_time() - begun) * 1000)
"""


FIRST_RUN = """
import sys, time
begun = time.process_time()
from indelible import ActorSystem, step
one = step("one")(lambda: 1)
with ActorSystem(f"sqlite:///{sys.argv[1]}", steps=[one]) as system:
    definition = {"name": "first", "steps": [{"name": "only", "type": "one"}]}
    outcome = system.workflow_agent("installed").execute_workflow(definition)
assert outcome["status"] == "success", outcome
print((time.process_time() - begun) * 1000)
"""


def core_install(name: str = "indelible", seen: set[str] | None = None) -> set[str]:
    """Names of the distributions that a plain ``pip install indelible`` brings."""
    seen = set() if seen is None else seen
    normal = re.sub(r"[-_.]+", "-", name).lower()
    if normal in seen:
        return seen
    found = distribution(name)
    seen.add(normal)
    for requirement in found.requires or ():
        needed, _, marker = requirement.partition(";")
        if "extra" in marker or not _applies(marker):
            continue
        match = re.match(r"[A-Za-z0-9._-]+", needed.strip())
        assert match is not None
        core_install(match[0], seen)
    return seen


def _applies(marker: str) -> bool:
    from packaging.markers import Marker

    return not marker.strip() or Marker(marker).evaluate()


def median_of(n: int, code: str, *arguments: str) -> float:
    """Median of the numbers that ``n`` new processes print when they run ``code``."""
    command = [sys.executable, "-c", code, *arguments]
    return statistics.median(
        float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(n)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=9)
    arguments = parser.parse_args()
    print_machine("import and install")
    n = arguments.n
    print(f"import of ActorSystem: n={n}, median {median_of(n, IMPORT):.0f} ms CPU")
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "log.db")
        median_of(1, FIRST_RUN, store)  # creates the store
        print(f"import, open, one step, close: median {median_of(n, FIRST_RUN, store):.0f} ms CPU")
    names = sorted(core_install())
    print(f"core install: {len(names)} distributions ({', '.join(names)})")
