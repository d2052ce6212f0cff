"""The context of a message, copied to every event that the message causes (pure).

The context belongs to the message, never to the actor that handles it.  A field that is not set
is empty.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace


class Context(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, repr_omit_defaults=True):
    """The origin of an event; immutable; an empty field is not stored in the log.

    Attributes:
        correlation_id: The request that the event belongs to.
        causation_id: The direct cause: ``STREAM/VERSION`` of an event, ``run-RUN/PATH`` of a step,
            or an id that the caller has given.
        principal: The person or service on whose behalf the caller acts.
        tenant: The customer.
        reason: The reason, in a person's words.
        traceparent: The caller's span (W3C Trace Context).
        tracestate: The vendors' additions to the span.
        agent: The agent that handles the message.
    """

    correlation_id: str = ""
    causation_id: str = ""
    principal: str = ""
    tenant: str = ""
    reason: str = ""
    traceparent: str = ""
    tracestate: str = ""
    agent: str = ""


class MessageContext(Context, frozen=True, gc=False):
    """The third argument of ``decide``, if ``decide`` has a third parameter.

    Attributes:
        now: Microseconds UTC.
    """

    now: int = 0


NO_CONTEXT = Context()
"""The context without any field."""

CAUSE_LIMIT = 1_000
"""Characters of a causation id: a stream's name and a step's path have a few hundred."""

_FIELDS = Context.__struct_fields__


def merged(base: Context, context: Context) -> Context:
    """Return ``context``, with its empty fields taken from ``base``.

    ``traceparent`` and ``tracestate`` are taken together: a state belongs to one parent.

    >>> merged(Context(principal="ada", tenant="acme"), Context(principal="ben"))
    Context(principal='ben', tenant='acme')
    """
    if base == NO_CONTEXT:
        return context
    given = {name: value for name in _FIELDS if (value := getattr(context, name))}
    if "traceparent" in given:
        given.setdefault("tracestate", "")
    return replace(base, **given)


def with_correlation(context: Context, identity: str) -> Context:
    """Return ``context`` with ``identity``, the actor's id, as its correlation id if it has none.

    >>> with_correlation(Context(principal="ada"), "42")
    Context(correlation_id='42', principal='ada')
    """
    return context if context.correlation_id else replace(context, correlation_id=identity)


def inherited(context: Context) -> Context:
    """Return the context of a run's later events; ``context`` is that of its start.

    The causation id is left out: the payloads of these events name their cause.
    """
    return replace(context, causation_id="") if context.causation_id else context


def caused_by(context: Context, cause: str, *, identity: str, agent: str = "") -> Context:
    """Return the context of a message or effect that an event has caused.

    Args:
        context: The context of the event.
        cause: The id of the direct cause.
        identity: The id of the event's actor: the correlation id if ``context`` has none.
        agent: The agent that handles the message, if it differs from the one in ``context``.

    >>> caused_by(Context(principal="ada"), "account-7/3", identity="7")
    Context(correlation_id='7', causation_id='account-7/3', principal='ada')
    """
    return replace(
        context,
        correlation_id=context.correlation_id or identity,
        causation_id=cause[:CAUSE_LIMIT] or context.causation_id,
        agent=agent or context.agent,
    )


def at_time(now: int, context: Context) -> MessageContext:
    """Return ``context`` for ``decide``, with ``now`` in microseconds UTC."""
    return MessageContext(
        context.correlation_id,
        context.causation_id,
        context.principal,
        context.tenant,
        context.reason,
        context.traceparent,
        context.tracestate,
        context.agent,
        now,
    )
