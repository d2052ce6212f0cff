"""Errors of definitions and values; nothing has been stored."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from indelible.errors.base import IndelibleError


class Problem(NamedTuple):
    """One fault of a definition."""

    path: str  # place in the definition, such as "steps[2].params.sql"
    found: str  # description of the fault
    fix: str  # what to write instead


class DefinitionError(IndelibleError):
    """A workflow definition cannot be run; nothing has been stored."""

    workflow: str
    problems: tuple[Problem, ...]

    def __init__(self, workflow: str, problems: Sequence[Problem]) -> None:
        """List every problem, not only the first."""
        lines = [f"  {p.path}: {p.found}; {p.fix}" for p in problems]
        super().__init__(
            f"workflow {workflow!r} has {len(lines)} problem(s):\n" + "\n".join(lines),
            workflow=workflow,
            problems=tuple(problems),
        )


class ValueNotStorableError(IndelibleError):
    """A value of a type that the log cannot hold; nothing has been stored."""

    path: str
    found: str
    fix: str

    def __init__(self, path: str, found: str, fix: str = "") -> None:
        """``path`` is the place inside the value, ``$`` its root."""
        fix = fix or (
            "use None, bool, int (64 bits), float, str, bytes, list, dict with str keys, "
            "an aware datetime, date or Decimal"
        )
        super().__init__(
            f"{path} is {found}, which cannot be stored; {fix}", path=path, found=found, fix=fix
        )


class AsOfError(IndelibleError):
    """A moment of the past that does not exist or is ambiguous."""

    found: str

    def __init__(self, found: str, fix: str) -> None:
        """``found`` describes the moment that was given, ``fix`` what to give instead."""
        super().__init__(f"{found}; {fix}", found=found)


class PayloadTooLargeError(IndelibleError):
    """A value is larger than the limit of the log; nothing has been stored."""

    what: str
    size: int
    limit: int

    def __init__(self, what: str, size: int, limit: int) -> None:
        """Sizes are encoded bytes."""
        super().__init__(
            f"{what} is {size:,} bytes encoded, the limit is {limit:,}; "
            "store it elsewhere and pass a reference",
            what=what,
            size=size,
            limit=limit,
        )


class UnknownModeError(IndelibleError, ValueError):
    """A store or a system has no such mode."""

    def __init__(self, mode: object, modes: Sequence[str]) -> None:
        """``modes`` are the existing modes."""
        known = ", ".join(repr(one) for one in modes)
        super().__init__(
            f"mode={mode!r:.80} is unknown; give one of {known}", mode=mode, modes=tuple(modes)
        )


class UnknownFilterError(IndelibleError, ValueError):
    """A filter value that no row or event can have: an empty answer would mislead."""

    def __init__(self, name: str, given: object, known: Sequence[str]) -> None:
        """``name`` is the name of the parameter, ``known`` the existing values."""
        close = get_close_matches(str(given), known, 1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        super().__init__(
            f"{name}={given!r:.80} is unknown; {meant}there are {', '.join(known)}",
            name=name,
            given=given,
            known=tuple(known),
        )


class EventNotFoldedError(IndelibleError):
    """A decider's ``evolve`` fails on a stored event, so that its stream has no state."""

    stream: str
    version: int
    shard: int
    position: int

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's name
        why: str,
        *,
        stream: str,
        version: int,
        shard: int,
        position: int,
    ) -> None:
        """``why`` is the text of the error that ``evolve`` raised."""
        super().__init__(
            f"evolve() fails on version {version} of stream {stream!r} (position {position} of "
            f"shard {shard}, {type}): {why}; run verify on the store: if it finds nothing, mend "
            "evolve()",
            type=type,
            why=why,
            stream=stream,
            version=version,
            shard=shard,
            position=position,
        )
