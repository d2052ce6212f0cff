"""A histogram of whole numbers in logarithmic buckets, merged by adding counts.

The buckets are those of HdrHistogram (Gil Tene, hdrhistogram.org): every power of two is divided
into 64 equal parts, so that a reported value differs by at most 1/128 (0.8 %), with 64 rows for
each power of two.  Counts can be added in any order, so the result does not depend on batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_PARTS = 64
_EXACT = 2 * _PARTS  # each smaller value has its own bucket
_BITS = _EXACT.bit_length() - 1


def bucket_of(value: int) -> int:
    """Return the bucket of ``value``, a whole number from 0; larger values have higher buckets.

    >>> bucket_of(0), bucket_of(127), bucket_of(128), bucket_of(129), bucket_of(130)
    (0, 127, 128, 128, 129)
    """
    if value < _EXACT:
        return value
    shift = value.bit_length() - _BITS
    return shift * _PARTS + (value >> shift)


_LAST = bucket_of(2**63 - 1)


def value_of(bucket: int) -> int:
    """Return the middle of a bucket, which represents all its values.

    >>> value_of(5), value_of(bucket_of(1_000_000))
    (5, 1003520)
    """
    if bucket < _EXACT:
        return bucket
    shift = bucket // _PARTS - 1
    low = (bucket - shift * _PARTS) << shift
    return low + (1 << (shift - 1))


def check_counted(bucket: object, count: object) -> None:
    """Check a row of a histogram.

    Raises:
        TypeError: The bucket or the count is impossible.
    """
    if type(bucket) is not int or not 0 <= bucket <= _LAST or type(count) is not int or count < 1:
        raise TypeError(f"bucket {bucket!r:.80} has counted {count!r:.80}")


def percentiles(counts: Mapping[int, int], shares: Sequence[int]) -> list[int | None]:
    """Return the values at ``shares`` (increasing percentages) by nearest rank.

    Without data every value is ``None``.

    >>> percentiles({bucket_of(10): 98, bucket_of(90): 2}, (50, 98, 99))
    [10, 10, 90]
    """
    total = sum(counts.values())
    if not total:
        return [None] * len(shares)
    found: list[int | None] = []
    seen = 0
    buckets = iter(sorted(counts.items()))
    bucket = -1
    for share in shares:
        rank = -(-share * total // 100)
        while seen < rank:
            bucket, count = next(buckets)
            seen += count
        found.append(value_of(bucket))
    return found
