"""The status of a step or a block in a run: one byte each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

PENDING: Final = 0
RUNNING: Final = 1
RETRYING: Final = 2  # failed, waits for its next attempt
UNKNOWN: Final = 3  # cut off by a crash, waits for a person
COMPLETED: Final = 4
FAILED: Final = 5
SKIPPED: Final = 6

SETTLED: Final = frozenset((COMPLETED, FAILED, SKIPPED))
"""The final statuses."""

StepWord = Literal["pending", "running", "retrying", "unknown", "completed", "failed", "skipped"]
"""The statuses as words, in the order of their numbers."""

WORDS: Final[Sequence[StepWord]] = get_args(StepWord)
