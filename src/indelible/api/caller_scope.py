"""Saying once for many calls who makes them, why, and for which request."""

from __future__ import annotations

from contextlib import AbstractContextManager

from indelible.api.arguments.caller_context import checked
from indelible.api.facade import Facade
from indelible.events.model.message_context import Context


class CallerScope(Facade):
    """What goes with calls beside their own parameters; any thread may use it."""

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
        """Have this go with every call on this system in the block, and with all that it causes.

        It holds across ``await`` and in tasks that begin in the block, not in threads.  What a
        block does not set is as around it.  A parameter of a call comes before any block.

        Args:
            by: On whose behalf; like all but ``why`` text of 1 to 200 printable characters.
            why: The reason, up to 1,000 characters.
            tenant: For which customer.
            correlation_id: The request that it belongs to.
            causation_id: The message that it follows from, of a broker for instance.
            traceparent: A W3C trace context, as the header has it.
            tracestate: What belongs to that, as the header has it.
            agent: The agent at work.

        Raises:
            RefusedError: One of them is none of this; the message names it.
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
