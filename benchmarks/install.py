"""What it costs to have the library: processor time of the import, size of the core install."""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from importlib.metadata import distribution

from harness import print_machine

CODE = """
import time
begun = time.process_time()
import indelible
indelible.ActorSystem
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=9)
    arguments = parser.parse_args()
    print_machine("import and install")
    times = [
        float(subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True).stdout)
        for _ in range(arguments.n)
    ]
    print(f"import of ActorSystem: n={arguments.n}, median {statistics.median(times):.0f} ms CPU")
    names = sorted(core_install())
    print(f"core install: {len(names)} distributions ({', '.join(names)})")
