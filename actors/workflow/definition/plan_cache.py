"""A cache of the compiled definitions of one system, by their content.

A service starts the same few workflows again and again, and compiling a definition takes as long as
some of its steps.  Step types are never removed, so that a checked definition stays runnable.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from indelible.actors.workflow.definition.build_plan import plan_from_encoded
from indelible.actors.workflow.definition.plan import Plan
from indelible.errors import PayloadTooLargeError, ValueNotStorableError
from indelible.events.codec.values import encode_value

MAX_PLANS = 256
"""Plans in the cache: a service runs tens of definitions, thousands of times each."""


class PlanCache:
    """A bounded map of plans that drops the least recently used; any thread may use it.

    If two threads race, a definition is compiled twice, which does no harm.

    Attributes:
        checked: Plans whose step types and connections this system has, by their digests and by
            the contents of the definitions that they were compiled from.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._stored: OrderedDict[bytes, Plan] = OrderedDict()  # by the encoded definition
        self.checked: OrderedDict[bytes, Plan] = OrderedDict()

    def stored(self, definition: bytes) -> Plan:
        """The plan of a run's stored definition, whether or not its step types are registered.

        Raises:
            DefinitionError: This version does not support its format.
            ValueDecodeError: The bytes are damaged.
        """
        plan = self._stored.get(definition)
        return self._keep(plan_from_encoded(definition)) if plan is None else plan

    def find(self, content: bytes | None) -> Plan | None:
        """The plan of the definition with this :func:`content_of`, if it was checked here."""
        plan = None if content is None else self.checked.get(content)
        return None if plan is None else self.add(plan, content)

    def add(self, plan: Plan, content: bytes | None = None) -> Plan:
        """Add and return a plan that was checked against the step types of this system.

        ``content`` is the content of the definition that it was compiled from.
        """
        for key in (plan.digest, content):
            if key is not None:
                self.checked.pop(key, None)
                self.checked[key] = plan  # the newest
        while len(self.checked) > 2 * MAX_PLANS:
            self.checked.popitem(last=False)
        return self._keep(plan)

    def _keep(self, plan: Plan) -> Plan:
        self._stored[plan.encoded] = plan
        while len(self._stored) > MAX_PLANS:
            self._stored.popitem(last=False)
        return plan


def content_of(source: Mapping[str, Any] | str | Path) -> bytes | None:
    """A digest that identifies a definition; ``None`` for a file, which may change, and if invalid.

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
        return None  # compiling reports the fault
    return content_of_stored(encoded)


def content_of_stored(definition: bytes) -> bytes:
    """As :func:`content_of`, for a definition that is encoded already."""
    return sha256(definition).digest()
