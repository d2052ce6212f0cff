"""The caller's context: from parameters of a call, the enclosing block, or the running step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec.structs import replace

from indelible.actors.effects.current_attempt import RUNNING
from indelible.arguments.context_arguments import check_cause, checked
from indelible.assembly.process_guard import ProcessGuard
from indelible.events.model.message_context import NO_CONTEXT, Context, merged

_BLOCKS: ContextVar[Mapping[object, Context]] = ContextVar("indelible.caller_blocks")
"""For each system, the context of the innermost enclosing block."""


class CurrentContext(ProcessGuard):
    """Determines the context of calls to one system; any thread may use it."""

    @contextmanager
    def block(self, given: Context) -> Iterator[Context]:
        """Attach ``given``, merged over the current context, to every call made in the block."""
        context = merged(self._current(), given)
        token = _BLOCKS.set({**_BLOCKS.get({}), self: context})
        try:
            yield context
        finally:
            _BLOCKS.reset(token)

    def calling(
        self,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
        message_id: str | None = None,
    ) -> Context | None:
        """The context of a call made here with these parameters; ``None`` if it is empty.

        Raises:
            RefusedError: A parameter is not a valid name, id or reason.
        """
        if self.parent:
            self.check_process("calling()")
        bare = by is None and why is None and correlation_id is None and message_id is None
        if bare and RUNNING.get(None) is None and _BLOCKS.get(None) is None:
            return None  # the common case; this code runs for every message
        context = self._current()
        if by is not None or why is not None or correlation_id is not None:
            context = merged(context, checked(by=by, why=why, correlation_id=correlation_id))
        if message_id is not None and not context.causation_id:
            check_cause("message_id", message_id)
            context = replace(context, causation_id=message_id)
        return context if context is not NO_CONTEXT else None

    def _current(self) -> Context:
        """The context that a block, or else the running step or call, sets here."""
        blocks = _BLOCKS.get(None)
        if blocks is not None and self in blocks:
            return blocks[self]
        running = RUNNING.get(None)
        if running is None:
            return NO_CONTEXT
        envelope: Context = running.envelope
        return envelope
