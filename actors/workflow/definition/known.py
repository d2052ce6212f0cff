"""Plans of definitions that were compiled lately, by their exact content.

A service starts the same few workflows again and again, and compiling one takes as long as some of
its steps.  Step types are only ever added, so that what could be run once still can be.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from indelible.actors.workflow.definition.plan import Plan
from indelible.errors import PayloadTooLargeError, ValueNotStorableError
from indelible.events.values import encode_value

_MOST = 256
"""Plans kept, as many as the runs' own decider keeps."""


class KnownPlans:
    """A bounded map from definitions to plans, least recently used out first; any thread may ask.

    A lost race of two threads only compiles a definition twice.
    """

    def __init__(self) -> None:
        """Know none."""
        self._plans: OrderedDict[bytes, Plan] = OrderedDict()

    def find(self, content: bytes | None) -> Plan | None:
        """The plan of the definition with this :func:`content_of`."""
        plan = None if content is None else self._plans.pop(content, None)
        if content is not None and plan is not None:
            self._plans[content] = plan  # the newest
        return plan

    def keep(self, content: bytes | None, plan: Plan) -> None:
        """Know that the definition with this content has this plan."""
        if content is None:
            return
        self._plans[content] = plan
        while len(self._plans) > _MOST:
            self._plans.popitem(last=False)


def content_of(source: Mapping[str, Any] | str | Path) -> bytes | None:
    """What no other definition has, or ``None`` where only compiling tells: a file may change.

    >>> content_of({"name": "a", "steps": []}) == content_of({"name": "a", "steps": []})
    True
    >>> content_of({"name": "a", "steps": []}) == content_of({"steps": [], "name": "a"})
    False
    >>> content_of({"name": {1, 2}}) is None
    True
    """
    if isinstance(source, Path):
        return None
    try:
        encoded = encode_value(dict(source) if isinstance(source, Mapping) else source)
    except (ValueNotStorableError, PayloadTooLargeError):
        return None  # compiling says what is wrong
    return hashlib.sha256(encoded).digest()
