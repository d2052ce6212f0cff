"""The grammar of W3C Trace Context (https://www.w3.org/TR/trace-context/, §3.2 and §3.3); pure."""

from __future__ import annotations

import re

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]+)?")
_LONGEST_PARENT = 200  # characters; version 00 has 55, a later version may add more

_KEY = r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_MEMBER = re.compile(
    rf"({_KEY})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MEMBERS = 32
_LONGEST_STATE = 512  # characters that a tracing system must pass on; more are refused


def is_traceparent(text: str) -> bool:
    """Whether ``text`` is the value of a ``traceparent`` header, of this version or a later one.

    >>> is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    True
    >>> is_traceparent("00-00000000000000000000000000000000-b7ad6b7169203331-01")
    False
    """
    found = _PARENT.fullmatch(text) if len(text) <= _LONGEST_PARENT else None
    if found is None:
        return False
    version, trace, parent, more = found.groups()
    known = version != "ff" and not (version == "00" and more)
    return known and bool(int(trace, 16)) and bool(int(parent, 16))


def is_tracestate(text: str) -> bool:
    """Whether ``text`` is the value of a ``tracestate`` header: up to 32 entries, no key twice.

    >>> is_tracestate("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"), is_tracestate("rojo")
    (True, False)
    """
    if len(text) > _LONGEST_STATE:
        return False
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    found = [_MEMBER.fullmatch(member) for member in members]
    keys = {match[1] for match in found if match is not None}
    return 1 <= len(members) <= _MEMBERS and len(keys) == len(members)
