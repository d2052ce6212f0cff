"""Sums and means of a column: exact for exact numbers, independent of a thread's Decimal context.

Ints and Decimals are added exactly.  Floats, and ints among them, are added with ``math.fsum``, so
that the order of the rows does not matter.  Decimals together with floats are refused, because no
sum of both is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

MAX_DIGITS = 10_000
"""Digits of a sum of Decimals: 1e9999 + 1 has so many; a sum of money has 20."""

MEAN_DIGITS = 28
"""Minimal significant digits of a mean of Decimals; PostgreSQL gives 16 or more."""


def total(values: list[Any]) -> Any:
    """The sum of one value or more.

    Raises:
        TypeError: They are not numbers, or Decimals together with floats.
        ArithmeticError: A sum of Decimals has more than :data:`MAX_DIGITS` digits.

    >>> total([Decimal("0.1"), 1, Decimal("0.25")])
    Decimal('1.35')
    """
    kinds = {type(value) for value in values}
    if kinds == {int}:
        return sum(values)
    if kinds <= {int, float}:
        try:
            return math.fsum(values)
        except (OverflowError, ValueError):  # infinities, or a sum beyond 1e308
            return sum(map(float, values))
    if kinds <= {int, Decimal}:
        with localcontext(_context(_digits(values))):
            return sum(values)
    raise TypeError("the values cannot be added")


def mean(values: list[Any]) -> Any:
    """The mean: a float, or for Decimals a Decimal, rounded half to even.

    Raises:
        TypeError, ArithmeticError: As :func:`total` does.

    >>> mean([Decimal(1), Decimal(2)])
    Decimal('1.5')
    """
    added = total(values)
    if not isinstance(added, Decimal):
        return added / len(values)
    with localcontext(_context(max(MEAN_DIGITS, _digits([added])))):
        return added / len(values)


def _context(digits: int) -> Context:
    return Context(
        prec=digits, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, clamp=0, traps=[]
    )


def _digits(values: Iterable[int | Decimal]) -> int:
    """How many digits the exact sum of ``values`` may have."""
    finite = [number for value in values if (number := Decimal(value)).is_finite()]
    if not finite:
        return 1
    highest = max(number.adjusted() for number in finite)
    lowest = min(int(number.as_tuple().exponent) for number in finite)
    digits = highest - min(lowest, highest) + 1 + len(str(len(finite)))
    if digits > MAX_DIGITS:
        raise ArithmeticError(f"the sum would have {digits:,} digits, more than {MAX_DIGITS:,}")
    return digits
