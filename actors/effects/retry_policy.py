"""How often and how soon a failed step is retried: data and a pure function, never a sleep."""

from __future__ import annotations

from hashlib import sha256

import msgspec

_JITTER_BYTES = 8
_JITTER_RANGE = float(1 << 8 * _JITTER_BYTES)


class RetryPolicy(msgspec.Struct, frozen=True, gc=False):
    """When a failed attempt is followed by another.

    Attributes:
        attempts: How often the step may be tried in all, from 1; 1 is no retry.
        delay: Seconds before the second attempt, from 0.
        backoff: Factor from one delay to the next, from 1.
        max_delay: Seconds that no delay exceeds.
        jitter: Share of a delay, 0 to 1, by which it may be shortened at random.
    """

    attempts: int = 1
    delay: float = 1.0
    backoff: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.1


def retry_delay(policy: RetryPolicy, run_id: str, path: str, attempt: int) -> float:
    """Seconds to wait after ``attempt`` (from 1) of a step has failed.

    The jitter follows from the arguments alone, so that a replay decides as the live run did.  It
    only shortens, so that ``max_delay`` holds, and it spreads steps that fail together.

    >>> policy = RetryPolicy(attempts=5, delay=2.0, backoff=3.0, max_delay=10.0, jitter=0.0)
    >>> [retry_delay(policy, "run", "load", attempt) for attempt in (1, 2, 3)]
    [2.0, 6.0, 10.0]
    """
    try:
        factor: float = policy.backoff ** (attempt - 1)
        delay: float = min(policy.delay * factor, policy.max_delay)
    except OverflowError:  # beyond the largest float, 1e308: far above any limit
        delay = policy.max_delay if policy.delay else 0.0
    if not policy.jitter:
        return delay
    digest = sha256(f"{run_id}\0{path}\0{attempt}".encode()).digest()
    chance = int.from_bytes(digest[:_JITTER_BYTES], "big") / _JITTER_RANGE
    return delay * (1.0 - policy.jitter * chance)
