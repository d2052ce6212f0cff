"""What goes with a message to every event that it causes: who, why, for which request (pure).

It belongs to the message, never to the actor that handles it; a field that is not set is empty.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace


class Context(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, repr_omit_defaults=True):
    """Where an event comes from; immutable, and an empty field is absent from the log.

    Attributes:
        correlation_id: The request that all of this belongs to.
        causation_id: The event or message that led to it directly: ``STREAM/VERSION`` of an event,
            ``run-RUN/PATH`` of a step, or what the caller has given.
        principal: On whose behalf.
        tenant: For which customer.
        reason: Why, in a person's words.
        traceparent: The caller's span (W3C Trace Context).
        tracestate: What vendors add to it.
        agent: The agent at work.
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
    """What a ``decide`` with a third parameter is given beside the message.

    Attributes:
        now: Microseconds UTC.
    """

    now: int = 0


NO_CONTEXT = Context()
"""Nothing is known."""

CAUSE_LIMIT = 1_000
"""Characters of a causation id: a stream's name and the path of a step have some hundred."""

_FIELDS = Context.__struct_fields__


def over(base: Context, context: Context) -> Context:
    """``context``, and what it leaves open from ``base``.

    A trace's two fields are one: the state of another parent means nothing.

    >>> over(Context(principal="ada", tenant="acme"), Context(principal="ben"))
    Context(principal='ben', tenant='acme')
    """
    if base == NO_CONTEXT:
        return context
    given = {name: value for name in _FIELDS if (value := getattr(context, name))}
    if "traceparent" in given:
        given.setdefault("tracestate", "")
    return replace(base, **given)


def named(context: Context, identity: str) -> Context:
    """``context`` of an event of the actor ``identity``, which stands for a request without an id.

    >>> named(Context(principal="ada"), "42")
    Context(correlation_id='42', principal='ada')
    """
    return context if context.correlation_id else replace(context, correlation_id=identity)


def inherited(context: Context) -> Context:
    """What the later events of a run have of ``context``, which its start was given.

    They say in their payloads what led to them.
    """
    return replace(context, causation_id="") if context.causation_id else context


def caused_by(context: Context, cause: str, *, identity: str, agent: str = "") -> Context:
    """What goes with that which an event with ``context`` has led to.

    Args:
        context: Of the event; what it does not name as the request, its ``identity`` stands for.
        cause: Id of what leads to it directly.
        identity: Of the actor whose event it is.
        agent: The agent at work, if it is another.

    >>> caused_by(Context(principal="ada"), "account-7/3", identity="7")
    Context(correlation_id='7', causation_id='account-7/3', principal='ada')
    """
    return replace(
        context,
        correlation_id=context.correlation_id or identity,
        causation_id=cause[:CAUSE_LIMIT] or context.causation_id,
        agent=agent or context.agent,
    )


def seen_at(now: int, context: Context) -> MessageContext:
    """``context`` as ``decide`` sees it at ``now``, microseconds UTC."""
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
