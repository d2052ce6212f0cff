"""Checks of the arguments of a system, so that errors are raised where the caller made them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any, TypeVar

from indelible.arguments.ids_and_timeouts import MAX_SECONDS
from indelible.events.addresses import FORMS
from indelible.events.store import EventStore

T = TypeVar("T")


def address_of(given: str | os.PathLike[str] | EventStore) -> str:
    """The address of the store ``given``; a path names an SQLite file.

    Raises:
        TypeError: ``given`` is neither an address, nor a path, nor a store.

    >>> from pathlib import Path
    >>> address_of("memory://"), address_of(Path("agents.db"))
    ('memory://', 'sqlite:///agents.db')
    """
    if isinstance(given, str):
        return given
    if isinstance(given, os.PathLike) and isinstance(path := os.fspath(given), str):
        from sqlalchemy.engine import URL

        return URL.create("sqlite", database=path).render_as_string()
    url = getattr(given, "url", None)
    if isinstance(given, type) or not isinstance(url, str):
        raise TypeError(f"{given!r:.80} is no store: give {FORMS}, a path, or an EventStore")
    return url


def seconds_of(name: str, given: float) -> float:
    """``given`` seconds, or if it is longer, such as infinity, the longest that threads can wait.

    Raises:
        TypeError: ``given`` is no number.
        ValueError: ``given`` is below 0, or NaN.

    >>> seconds_of("drain", 2.5), seconds_of("drain", float("inf"))
    (2.5, 100000000.0)
    """
    _check_number(name, given, int | float)
    if not given >= 0:  # NaN is not
        raise ValueError(f"{name}={given!r}: give 0 seconds or more")
    return min(given, MAX_SECONDS)


def check_lease(given: float) -> None:
    """Refuse a lease that is not a finite number above 0.

    Raises:
        TypeError: ``given`` is no number.
        ValueError: ``given`` is not above 0, or not finite.
    """
    _check_number("lease", given, int | float)
    if not 0 < given < math.inf:
        raise ValueError(f"lease={given!r}: give a finite number above 0, such as 10")


def check_threads(given: int) -> None:
    """Refuse a number of threads below 1.

    Raises:
        TypeError: ``given`` is no whole number.
        ValueError: ``given`` is below 1.
    """
    _check_number("max_threads", given, int)
    if given < 1:
        raise ValueError(f"max_threads={given!r}: give 1 or more")


def instances(name: str, given: Iterable[T], wanted: type[T]) -> list[T]:
    """``given`` as a list of instances of ``wanted``.

    Raises:
        TypeError: ``given`` is no iterable, or has another item; often a class, not an instance.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{name}={given!r:.80}: give a list of instances of {wanted.__name__}")
    found = list(given)
    for one in found:
        if not isinstance(one, wanted):
            cls: type = one if isinstance(one, type) else type(one)
            what = f"{cls.__name__}()" if issubclass(cls, wanted) else f"a {wanted.__name__}"
            raise TypeError(f"{name} holds {one!r:.80}: give {what}")
    return found


def _check_number(name: str, given: Any, kinds: Any) -> None:
    if isinstance(given, bool) or not isinstance(given, kinds):
        wanted = "whole number" if kinds is int else "number"
        raise TypeError(f"{name}={given!r:.80} is no {wanted}: give one")
