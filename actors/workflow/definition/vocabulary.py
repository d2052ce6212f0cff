"""The keys and words that a definition may contain, and those reserved for later versions."""

from __future__ import annotations

from collections.abc import Mapping

from indelible.actors.effects.retry_policy import RetryPolicy
from indelible.actors.workflow.patterns.conditional import Conditional
from indelible.actors.workflow.patterns.parallel import Parallel
from indelible.actors.workflow.patterns.pattern import Pattern
from indelible.actors.workflow.patterns.sequential import Sequential

PATTERNS: Mapping[str, Pattern] = {p.name: p for p in (Sequential(), Parallel(), Conditional())}
LATER_PATTERNS = ("loop", "fan_out", "fan_out_fan_in")
DEFAULT_PATTERN = "sequential"
BODY_PATTERN = "sequential"
"""The pattern of the steps that a block repeats."""

MAX_NAME = 200
MAX_ATTEMPTS = 1_000_000

PATTERN_KEYS: Mapping[str, str] = {key: p.name for p in PATTERNS.values() for key in p.keys}
"""The fields that only blocks of one pattern have, with the pattern's name."""

CHILD_KEYS: Mapping[str, str] = {key: p.name for p in PATTERNS.values() for key in p.child_keys}
"""The fields that only children of one pattern's blocks have, with the pattern's name."""

BLOCK_KEYS = ("name", "pattern", *PATTERN_KEYS, "steps")
ROOT_KEYS = ("format", "checkpoint", *BLOCK_KEYS)
STEP_KEYS = ("name", "type", "params", "timeout", "retry", "on_unknown_outcome")
RETRY_KEYS = RetryPolicy.__struct_fields__
CHECKPOINT_KEYS = ("every_steps", "every_seconds")
ON_UNKNOWN = ("retry", "ask", "fail")

LATER_KEYS = frozenset(
    {"break_condition", "compensation", "fan_in_steps", "fan_out_steps",
     "max_iterations", "over"}
)  # fmt: skip
"""Keys of future patterns: as a flat parameter such a key would be ignored, and the step run."""

ENGINE_KEYS = frozenset(ROOT_KEYS + BLOCK_KEYS + STEP_KEYS)
