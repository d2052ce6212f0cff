"""The closed lists of what a definition may say, and of what later versions will let it say."""

from __future__ import annotations

from indelible.actors.effects.retry import RetryPolicy

MAX_NAME = 200
MAX_WIDTH = 10_000
MAX_ATTEMPTS = 1_000_000

ROOT_KEYS = ("format", "name", "pattern", "policy", "width", "checkpoint", "steps")
BLOCK_KEYS = ("name", "pattern", "policy", "width", "steps")
STEP_KEYS = ("name", "type", "params", "timeout", "retry", "on_unknown_outcome")
RETRY_KEYS = RetryPolicy.__struct_fields__
CHECKPOINT_KEYS = ("every_steps", "every_seconds")
PATTERNS = ("sequential", "parallel")
LATER_PATTERNS = ("conditional", "loop", "fan_out", "fan_out_fan_in")
POLICIES = ("collect",)
LATER_POLICIES = ("fail_fast", "quorum")
ON_UNKNOWN = ("retry", "ask", "fail")

LATER_KEYS = frozenset(
    {"break_condition", "compensation", "condition", "else", "fan_in_steps", "fan_out_steps",
     "max_iterations", "over"}
)  # fmt: skip
"""Keys of patterns to come: as a flat parameter such a key would be ignored, and the step run."""

ENGINE_KEYS = frozenset(ROOT_KEYS + BLOCK_KEYS + STEP_KEYS)
