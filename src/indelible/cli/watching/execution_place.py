"""Which process executes the runs of a store: another one, by the inbox, or this one.

A command does and shows the same in both cases.
"""

from __future__ import annotations

from typing import NamedTuple

from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.options.step_modules import StepEquipment
from indelible.cli.render.console import say
from indelible.cli.tasks.open_system import reading
from indelible.cli.watching.service_presence import announce
from indelible.errors import IndelibleError, SchemaVersionError, StoreNotFoundError, StoreOwnedError
from indelible.events.lease.store_owner import StoreOwner


class ExecutionPlace(NamedTuple):
    """The process that executes the runs of ``store``: ``owner``, or this process if ``None``."""

    store: str
    owner: StoreOwner | None
    exists: bool = True

    @classmethod
    def of(cls, store: str) -> ExecutionPlace:
        """Find the current owner of ``store``.

        Raises:
            StoreError: The store cannot be read.
        """
        try:
            with reading(store) as system:
                owners = system.store.owners()
        except StoreNotFoundError:
            return cls(store, None, exists=False)
        except SchemaVersionError:
            return cls(store, None)  # opening it in mode "own" migrates it, or raises the reason
        return cls(store, owners[0] if owners else None)

    def open(self, equipment: StepEquipment) -> ActorSystem:
        """An open system that executes the runs, or a client of the process that does.

        Raises:
            IndelibleError: The store cannot be opened.
        """
        if self.owner is None:
            system = ActorSystem(
                self.store,
                steps=equipment.steps,
                connections=equipment.connections,
                functions=equipment.functions,
            )
            try:
                return system.open()
            except StoreOwnedError as error:  # another process has opened it meanwhile
                owner = StoreOwner(error.owner, error.host, error.pid, error.since)
                return self._replace(owner=owner).open(equipment)
        system = ActorSystem(self.store, mode="client").open()
        announce(access_to(system).parts.service, system.store)
        say(f"{self._named(self.owner)} owns the store and executes its runs")
        if equipment.steps or equipment.functions or equipment.connections:
            say("it uses its own steps and connections, not those given here", "dim")
        return system

    @staticmethod
    def describe_continuation(system: ActorSystem, what: str) -> str:
        """Whether a process goes on with ``what``, as text."""
        try:
            absence = access_to(system).parts.service.absence()
        except IndelibleError as error:
            return f"whether a process goes on with {what} is not known now: {error}"
        if absence:
            return f"{what} left unfinished: {absence}"
        return f"left to go on in the process that executes it: {what}"

    @staticmethod
    def _named(owner: StoreOwner) -> str:
        name = f"the process {owner.owner!r}" if owner.owner else "another process"
        return f"{name} (host {owner.host}, pid {owner.pid})"
