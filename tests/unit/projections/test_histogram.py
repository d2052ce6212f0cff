"""Logarithmic buckets: ordered, within 1 %, added in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.projections.views.histogram import bucket_of, percentiles, value_of


@given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(1, 100))
def test_a_percentile_is_within_one_percent_of_the_exact_one(values: list[int], p: int) -> None:
    counts: dict[int, int] = {}
    for value in values:
        counts[bucket_of(value)] = counts.get(bucket_of(value), 0) + 1
    exact = sorted(values)[-(-p * len(values) // 100) - 1]
    assert percentiles(counts, (p,)) == [pytest.approx(exact, rel=1 / 128)]


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_buckets_keep_the_order_of_values(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert bucket_of(low) <= bucket_of(high)


@given(st.integers(0, 2**63 - 1))
def test_the_middle_of_a_bucket_lies_in_it(value: int) -> None:
    assert bucket_of(value_of(bucket_of(value))) == bucket_of(value)


def test_without_data_there_is_no_percentile() -> None:
    assert percentiles({}, (50, 99)) == [None, None]


def test_several_percentiles_come_from_one_walk() -> None:
    counts = {bucket_of(value): 1 for value in range(1, 101)}
    assert percentiles(counts, (1, 50, 95, 100)) == [1, 50, 95, 100]
