"""The compiled definitions of one system: those that were needed lately, by their content.

A service starts the same few workflows again and again, and compiling one takes as long as some of
its steps.  Step types are only ever added, so that what could be run once still can be.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from indelible.actors.workflow.definition.plan import Plan, plan_from_encoded
from indelible.errors import PayloadTooLargeError, ValueNotStorableError
from indelible.events.codec.values import encode_value

MOST = 256
"""Plans kept: a service runs tens of definitions, thousands of times each."""


class PlanCache:
    """A bounded map of plans, least recently needed out first; any thread may ask.

    A lost race of two threads only compiles a definition twice.

    Attributes:
        checked: Plans of which all that their steps need is here, by their digests, and by the
            content of the definitions that they were compiled of.
    """

    def __init__(self) -> None:
        """Know none."""
        self._stored: OrderedDict[bytes, Plan] = OrderedDict()  # by the encoded definition
        self.checked: OrderedDict[bytes, Plan] = OrderedDict()

    def stored(self, definition: bytes) -> Plan:
        """The plan of a definition that a run has stored, whether or not its types are known.

        Raises:
            DefinitionError: Its format is one that this version does not run.
            ValueDecodeError: The bytes are damaged.
        """
        plan = self._stored.get(definition)
        return self._keep(plan_from_encoded(definition)) if plan is None else plan

    def find(self, content: bytes | None) -> Plan | None:
        """The plan of the definition with this :func:`content_of`, if it was checked here."""
        plan = None if content is None else self.checked.get(content)
        return None if plan is None else self.add(plan, content)

    def add(self, plan: Plan, content: bytes | None = None) -> Plan:
        """Know a plan that was checked against the step types of this system, and return it.

        ``content`` is that of the definition which it was compiled of.
        """
        for key in (plan.digest, content):
            if key is not None:
                self.checked.pop(key, None)
                self.checked[key] = plan  # the newest
        while len(self.checked) > 2 * MOST:
            self.checked.popitem(last=False)
        return self._keep(plan)

    def _keep(self, plan: Plan) -> Plan:
        self._stored[plan.encoded] = plan
        while len(self._stored) > MOST:
            self._stored.popitem(last=False)
        return plan


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
    return content_of_stored(encoded)


def content_of_stored(definition: bytes) -> bytes:
    """The same of a definition that is encoded already."""
    return sha256(definition).digest()
