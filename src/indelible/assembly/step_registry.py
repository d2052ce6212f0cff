"""The step types of one system: the built-in ones and the functions that users register."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from indelible.actors.step_types.base import StepType, StepTypes
from indelible.actors.step_types.functions import FunctionStep

if TYPE_CHECKING:
    import sqlalchemy as sa


class StepRegistry:
    """The registered step types and functions of a system.

    Attributes:
        types: All step types by name.
        functions: Functions of one row by name, for the operation ``map``.
    """

    def __init__(
        self,
        connections: dict[str, str | sa.Engine],
        functions: dict[str, Callable[..., Any]],
        store: str = "",
    ) -> None:
        """Begin with the built-in types; nothing is connected yet.

        Args:
            connections: Databases by name.
            functions: Functions of one row by name.
            store: Address of the system's store, if known: no step may write to its file.
        """
        from indelible.actors.step_types.connections import Connections
        from indelible.actors.step_types.data_processing.step import DataProcessing
        from indelible.actors.step_types.database_query import DatabaseQuery

        self.functions = functions
        self._connections = Connections(connections, store)
        self.types = StepTypes([DatabaseQuery(self._connections), DataProcessing(self.functions)])

    def register(self, function: Callable[..., Any] | StepType, name: str | None = None) -> None:
        """Add a function, or an object that is a step type."""
        if hasattr(function, "validate") and hasattr(function, "run"):
            self.types.register(function)  # type: ignore[arg-type] # it has the methods of one
        else:
            self.types.register(FunctionStep(function, name))  # type: ignore[arg-type, unused-ignore]

    def dispose(self) -> None:
        """Close the connections; they are opened again when needed."""
        self._connections.close()
