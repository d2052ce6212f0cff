"""Definitions of the runs that actors start: by name, or as mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from indelible.actors.workflow.definition.plan import Plan
from indelible.errors import RefusedError

Definition = Mapping[str, Any] | str | Path
"""A workflow as a mapping, as JSON or YAML text, or as the path of such a file."""


class Definitions:
    """The named definitions of one system; any thread may use it."""

    def __init__(
        self, given: Mapping[str, Definition], compiled: Callable[[Definition], Plan]
    ) -> None:
        """Keep ``given``, by name; ``compiled`` compiles a definition.

        Raises:
            TypeError: ``given`` is not a mapping of names to definitions.
        """
        for name, definition in given.items():
            if not isinstance(name, str) or not isinstance(definition, Mapping | str | Path):
                raise TypeError(f"definitions: {name!r:.80}: give a mapping, text or path by name")
        self._given = dict(given)
        self._compiled = compiled
        self._plans: dict[str, Plan] = {}  # a file is read once, on first use

    def plan(self, wanted: Mapping[str, Any] | str) -> Plan:
        """The plan of a definition, given by name or as a mapping.

        Raises:
            RefusedError: There is no definition of that name.
            DefinitionError: The definition cannot be run.
        """
        if isinstance(wanted, Mapping):
            return self._compiled(wanted)
        plan = self._plans.get(wanted)
        if plan is None:
            plan = self._plans[wanted] = self._compiled(self._named(wanted))
        return plan

    def _named(self, name: object) -> Definition:
        if isinstance(name, str) and name in self._given:
            return self._given[name]
        close = get_close_matches(str(name), self._given, 1)
        known = ", ".join(sorted(self._given)) or "none"
        advice = f"did you mean {close[0]!r}?" if close else f"known are {known}"
        raise RefusedError(
            f"a StartRun of {name!r:.80}, and the system has no such definition: {advice}; give it "
            "with ActorSystem(definitions={...}), or the definition itself as a mapping"
        )
