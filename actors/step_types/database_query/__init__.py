"""The step type ``database_query``: SQL with bound parameters on a named connection."""

from indelible.actors.step_types.database_query.step import DatabaseQuery

__all__ = ["DatabaseQuery"]
