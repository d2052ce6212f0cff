"""Delays between attempts: pure, bounded, and spread by a jitter that a replay repeats."""

from __future__ import annotations

import pytest

from indelible.actors.effects.retry_policy import RetryPolicy, retry_delay


def test_delays_grow_up_to_the_maximum() -> None:
    policy = RetryPolicy(attempts=9, delay=1.0, backoff=2.0, max_delay=5.0, jitter=0.0)
    assert [retry_delay(policy, "r", "p", n) for n in range(1, 6)] == [1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize(("delay", "expected"), [(1.0, 60.0), (0.0, 0.0)])
def test_a_very_late_attempt_does_not_overflow(delay: float, expected: float) -> None:
    policy = RetryPolicy(attempts=10**6, delay=delay, backoff=1000.0, jitter=0.0)
    assert retry_delay(policy, "r", "p", 10**6) == expected


def test_jitter_shortens_by_at_most_its_share_and_depends_on_run_step_and_attempt() -> None:
    policy = RetryPolicy(attempts=9, delay=10.0, backoff=1.0, jitter=0.3)
    delays = {retry_delay(policy, f"r{n}", "p", 1) for n in range(200)}
    assert all(7.0 <= delay <= 10.0 for delay in delays)
    assert max(delays) - min(delays) > 2.0
    one = retry_delay(policy, "r", "p", 1)
    assert one == retry_delay(policy, "r", "p", 1)
    assert len({one, retry_delay(policy, "r", "p", 2), retry_delay(policy, "r", "q", 1)}) == 3


def test_a_jitter_never_changes_from_release_to_release() -> None:
    policy = RetryPolicy(attempts=2, delay=1.0, jitter=1.0)
    assert retry_delay(policy, "2013-01", "extract/jfk", 1) == pytest.approx(
        0.33219751742431447, abs=1e-12
    )
