"""Who calls a system, and why: parameters of calls, and what is in force where they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec.structs import replace

from indelible.actors.effects.current_attempt import RUNNING
from indelible.api.arguments.caller_context import check_cause, checked
from indelible.assembly.process_guard import ProcessGuard
from indelible.events.model.message_context import NO_CONTEXT, Context, over

_GIVEN: ContextVar[Mapping[object, Context]] = ContextVar("indelible.given")
"""The innermost block of each system that is in force here."""


class Caller(ProcessGuard):
    """Knows who calls a system, and why; any thread may ask."""

    @contextmanager
    def block(self, given: Context) -> Iterator[Context]:
        """Have ``given``, over what is in force already, go with every call made in the block."""
        context = over(self._in_force(), given)
        token = _GIVEN.set({**_GIVEN.get({}), self: context})
        try:
            yield context
        finally:
            _GIVEN.reset(token)

    def calling(
        self,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
        message_id: str | None = None,
    ) -> Context | None:
        """What goes with a call made here, with these parameters; ``None`` if nothing does.

        Raises:
            RefusedError: A parameter is no name, no id, or no reason.
        """
        if self.parent:
            self.check_process("calling()")
        bare = by is None and why is None and correlation_id is None and message_id is None
        if bare and RUNNING.get(None) is None and _GIVEN.get(None) is None:
            return None  # as nearly always: this is part of every message
        context = self._in_force()
        if by is not None or why is not None or correlation_id is not None:
            context = over(context, checked(by=by, why=why, correlation_id=correlation_id))
        if message_id is not None and not context.causation_id:
            check_cause("message_id", message_id)
            context = replace(context, causation_id=message_id)
        return context if context is not NO_CONTEXT else None

    def _in_force(self) -> Context:
        """What is set here without a parameter: by a block, or by the step or call that runs."""
        blocks = _GIVEN.get(None)
        if blocks is not None and self in blocks:
            return blocks[self]
        running = RUNNING.get(None)
        if running is None:
            return NO_CONTEXT
        envelope: Context = running.envelope
        return envelope
