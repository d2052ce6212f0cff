"""Effects that the decider of any category may return, and how they travel to who performs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from indelible.actors.effects.retry_policy import RetryPolicy
from indelible.events.model.message_context import Context


class Tell(msgspec.Struct, frozen=True):
    """Send ``message`` to the actor ``id`` of ``category``, in whatever process that lives.

    It is stored in the transaction of this decision's events, of which there must be one, and waits
    for its actor for as long as it takes.  No crash loses it, and it takes effect once: its row is
    deleted in the transaction of the events that it causes.  Of one that causes none ``decide`` may
    hear again after a crash.  The messages of one actor to another arrive in the order in which
    they were sent, as long as none has to wait in the inbox: for a busy recipient, for a database
    that fails, or for the next process after a crash.

    What the other one refuses, and what makes it fail, is a dead letter, and not sent again.

    Attributes:
        category: One of the categories that the system was given.
        id: 1 to 200 printable characters.
        message: A storable value, or one of the ``message_types`` of that actor's decider; up to
            4 MiB.  The other one gets a copy.
    """

    category: str
    id: str
    message: Any


class TimerAt(msgspec.Struct, frozen=True):
    """Have ``decide`` get ``message`` at ``due`` or soon after, whatever happens meanwhile.

    It is set once the events of this decision are durable, in the place of one with the same
    ``key``.  ``Decider.pending`` must return it for as long as the state waits for it: that is
    where it comes from after a crash, and one that is not there when it is due is passed over.

    Attributes:
        key: What no other effect that this stream waits for has.
        due: Microseconds UTC, as ``now`` of the message's context; the past means at once.
        message: What ``decide`` gets; it is never stored.
    """

    key: str
    due: int
    message: Any


class CancelTimer(msgspec.Struct, frozen=True):
    """Forget the timer ``key``, which ``Decider.pending`` does not return any more."""

    key: str


class Call(msgspec.Struct, frozen=True):
    """Call a function of the host, and have ``decide`` get what comes of it.

    That is a :class:`CallReturned` or a :class:`CallFailed` with the same ``key``.
    ``Decider.pending`` must return the call for as long as the state waits for that.  A call that a
    crash has cut off is made again, with the same idempotency key; what has come back is not.

    Attributes:
        key: What no other effect that this stream waits for has.
        function: Name of a function that the system was given: ``ActorSystem(calls={...})``.
        argument: What the function gets; it is never stored.
        timeout: Seconds that one attempt may take, or ``None``.
        retry: How often, and how soon, it is tried again; a number is how many attempts in all.
        on_unknown_outcome: ``retry``, or ``fail``: whether a call that was cut off is made again.
    """

    key: str
    function: str
    argument: Any = None
    timeout: float | None = None
    retry: RetryPolicy | int = 1
    on_unknown_outcome: Literal["retry", "fail"] = "retry"


class StartRun(msgspec.Struct, frozen=True):
    """Start a run of a workflow, in whatever process.

    There must be an event with it.  Without a ``key`` nobody waits for the run: that it is to be
    started is stored in the transaction of the event, and no crash loses it.  With one, ``decide``
    gets a :class:`RunEnded` with the same key when the run has ended, and ``Decider.pending`` must
    return the effect for as long as the state waits for that: from there it is started after a
    crash, unless it has been.

    Attributes:
        agent: Name of the workflow agent.
        definition: A mapping, or the name of a definition that the system was given:
            ``ActorSystem(definitions={...})``.
        input: What the steps see: a mapping of storable values; empty by default.
        run_id: Empty is the effect's id, ``STREAM/VERSION/N``, so that it is started once.
        key: What no other effect that this stream waits for has.
    """

    agent: str
    definition: Mapping[str, Any] | str
    input: Any = None
    run_id: str = ""
    key: str = ""


class RunEnded(msgspec.Struct, frozen=True):
    """A run that was started by a :class:`StartRun` with a key has ended.

    Attributes:
        key: Of the effect.
        run_id: Of the run.
        status: ``success``, ``partial`` or ``failed``; ``refused`` if it could not be started, as
            one with that id and other contents is there, for instance.
        result: Maps the names of the outermost steps and blocks to what they returned.
        error: ``None`` after success; else ``{step, type, message, steps}``, as in an outcome.
    """

    key: str
    run_id: str
    status: str
    result: dict[str, Any] = {}
    error: Mapping[str, Any] | None = None


class Alert(msgspec.Struct, frozen=True):
    """Tell a person, through the handlers that the system was given: ``ActorSystem(alerts=[...])``.

    It is stored in the transaction of this decision's events, of which there must be one.  It is a
    record of the logger ``indelible.alerts``, and each handler is told until it has returned.

    Attributes:
        severity: ``info``, ``warning``, ``error`` or ``critical``.
        text: What to tell, up to 10,000 characters.
        about: What it is about, up to 200 characters, so that handlers can put alerts together.
        details: A storable value.
    """

    severity: Literal["info", "warning", "error", "critical"]
    text: str
    about: str = ""
    details: Any = None


class Later(msgspec.Struct, frozen=True):
    """As the reply of a decision: the asker waits on, until a later one answers with a ``Reply``.

    The asker is one of this process; who asks from another, or with a ``message_id``, gets a
    ``LateReplyError``.  It waits as long as its time-out says, and gets an error if the actor's
    shard leaves this process or the system closes.

    Attributes:
        key: Of the replies that it waits for; several may wait for one.
    """

    key: str


class Reply(msgspec.Struct, frozen=True):
    """Answer all who wait for ``key``, once the events of this decision are durable.

    After a crash nobody waits any more; then it does nothing.

    Attributes:
        key: As in :class:`Later`.
        value: What they get; an exception is raised at them.
    """

    key: str
    value: Any = None


class CallReturned(msgspec.Struct, frozen=True):
    """A :class:`Call` has returned.

    Attributes:
        key: Of the call.
        value: What the function returned, by the rule for results of steps.
        attempt: The number of the attempt that did, from 1.
    """

    key: str
    value: Any
    attempt: int = 1


class CallFailed(msgspec.Struct, frozen=True):
    """A :class:`Call` has failed, and will not be tried again.

    Attributes:
        key: Of the call.
        error_type: Name of the last error's class.
        error_message: Its text.
        attempt: The number of the last attempt, from 1.
        unknown: Whether the outcome is not known: a crash has cut the call off.
    """

    key: str
    error_type: str
    error_message: str
    attempt: int = 1
    unknown: bool = False


class Caused(msgspec.Struct, frozen=True):
    """An effect on its way to who performs it.

    Attributes:
        effect: What the decision said.
        context: What goes with all that it causes.
        id: ``STREAM/VERSION/N``: of the last event of its decision, and its place among the
            decision's effects, from 0.  The same whenever it is issued again.
    """

    effect: Any
    context: Context
    id: str = ""
