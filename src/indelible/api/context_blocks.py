"""One context for many calls: principal, reason, tenant, request."""

from __future__ import annotations

from contextlib import AbstractContextManager

from indelible.api.facade import Facade
from indelible.arguments.context_arguments import checked
from indelible.events.model.message_context import Context


class ContextBlocks(Facade):
    """A context that calls get beside their own parameters; any thread may use it."""

    def context(
        self,
        *,
        by: str | None = None,
        why: str | None = None,
        tenant: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
        agent: str | None = None,
    ) -> AbstractContextManager[Context]:
        """Attach this context to every call on this system in the block, and to its consequences.

        It holds across ``await`` and in tasks started in the block, but not in threads.  A field
        that a block does not set keeps its value from outside.  A call's parameter overrides it.

        Args:
            by: The principal on whose behalf the calls are made.  Each but ``why`` is text of
                1 to 200 printable characters.
            why: The reason, up to 1,000 characters.
            tenant: The customer.
            correlation_id: The request to which the calls belong.
            causation_id: The message that caused the calls, for instance one of a broker.
            traceparent: A W3C trace context, as in the header ``traceparent``.
            tracestate: Its trace state, as in the header ``tracestate``.
            agent: The agent that makes the calls.

        Raises:
            RefusedError: A parameter is not valid; the message names it.
        """
        self._access.check_process("context()")
        given = checked(
            by=by,
            why=why,
            tenant=tenant,
            correlation_id=correlation_id,
            causation_id=causation_id,
            traceparent=traceparent,
            tracestate=tracestate,
            agent=agent,
        )
        return self._access.block(given)
