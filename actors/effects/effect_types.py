"""Effects that any decider may return, and the form in which their performers get them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from indelible.actors.effects.retry_policy import RetryPolicy
from indelible.events.model.message_context import Context


class Tell(msgspec.Struct, frozen=True):
    """Send ``message`` to the actor ``id`` of ``category``, in this or another process.

    The decision must have an event.  The message is stored in the transaction of the events, and
    waits for its actor without a time limit.  No crash loses it, and it takes effect once: its row
    is deleted in the transaction of the events that it causes.  If it causes no event, ``decide``
    may get it again after a crash.  The messages from one actor to another arrive in the order in
    which they were sent, unless one has to wait in the inbox: for a busy recipient, for a database
    that fails, or for the next process after a crash.

    If the recipient refuses the message or fails on it, the message becomes a dead letter, and is
    not sent again.

    Attributes:
        category: One of the categories that the system was given.
        id: 1 to 200 printable characters.
        message: A storable value, or one of the ``message_types`` of the recipient's decider; up to
            4 MiB.  The recipient gets a copy.
    """

    category: str
    id: str
    message: Any


class TimerAt(msgspec.Struct, frozen=True):
    """Set a timer: ``decide`` gets ``message`` at ``due`` or soon after, even after a crash.

    The timer is set once the events of this decision are durable, and replaces a timer with the
    same ``key``.  ``Decider.pending`` must return it while the state waits for it: after a crash
    the timer is set again from there, and a timer that is not there when it is due does not fire.

    Attributes:
        key: Unique among the effects that this stream waits for.
        due: Microseconds UTC, as ``now`` of the message's context; the past means at once.
        message: The message for ``decide``; it is never stored.
    """

    key: str
    due: int
    message: Any


class CancelTimer(msgspec.Struct, frozen=True):
    """Cancel the timer ``key``; ``Decider.pending`` must not return it any more."""

    key: str


class Call(msgspec.Struct, frozen=True):
    """Call a function of the host; ``decide`` gets the result.

    The result is a :class:`CallReturned` or a :class:`CallFailed` with the same ``key``.
    ``Decider.pending`` must return the call while the state waits for the result.  A call that was
    cut off by a crash is made again, with the same idempotency key; a call with a result is not.

    Attributes:
        key: Unique among the effects that this stream waits for.
        function: Name of a function that the system was given: ``ActorSystem(calls={...})``.
        argument: The function's argument; it is never stored.
        timeout: Seconds that one attempt may take, or ``None``.
        retry: The retry policy, or the number of attempts in all.
        on_unknown_outcome: ``retry``, or ``fail``: whether a call that was cut off is made again.
    """

    key: str
    function: str
    argument: Any = None
    timeout: float | None = None
    retry: RetryPolicy | int = 1
    on_unknown_outcome: Literal["retry", "fail"] = "retry"


class StartRun(msgspec.Struct, frozen=True):
    """Start a run of a workflow, in this or another process.

    The decision must have an event.  Without a ``key`` the actor does not wait for the run: the
    start is stored in the transaction of the event, and no crash loses it.  With a ``key``,
    ``decide`` gets a :class:`RunEnded` with the same key when the run has ended, and
    ``Decider.pending`` must return the effect while the state waits for that: after a crash the run
    is started from there, unless it was started before.

    Attributes:
        agent: Name of the workflow agent.
        definition: A mapping, or the name of a definition that the system was given:
            ``ActorSystem(definitions={...})``.
        input: The run's input: a mapping of storable values; empty by default.
        run_id: By default the effect's id, ``STREAM/VERSION/N``, so that it is started once.
        key: Unique among the effects that this stream waits for.
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
        status: ``success``, ``partial`` or ``failed``; ``refused`` if the run could not be started,
            for instance because a run with this id and other contents exists.
        result: Maps the names of the outermost steps and blocks to their results.
        error: ``None`` after success; else ``{step, type, message, steps}``, as in an outcome.
    """

    key: str
    run_id: str
    status: str
    result: dict[str, Any] = {}
    error: Mapping[str, Any] | None = None


class Alert(msgspec.Struct, frozen=True):
    """Alert a person through the system's handlers: ``ActorSystem(alerts=[...])``.

    The decision must have an event; the alert is stored in the transaction of the events.  It is
    logged on ``indelible.alerts``, and each handler is called until it has returned.

    Attributes:
        severity: ``info``, ``warning``, ``error`` or ``critical``.
        text: The text, up to 10,000 characters.
        about: The subject, up to 200 characters, by which handlers can group alerts.
        details: A storable value.
    """

    severity: Literal["info", "warning", "error", "critical"]
    text: str
    about: str = ""
    details: Any = None


class Later(msgspec.Struct, frozen=True):
    """The reply of a decision that replies later, with the effect ``Reply`` of a later decision.

    An asker of this process waits in its memory until its own time-out, and gets an error if the
    actor's shard leaves this process or the system closes.  An asker of another process, or one
    with a ``message_id``, waits as a row of the inbox: it gets the reply whatever crashes, if it
    still waits or asks again with that id.  Its message is not decided again.

    Attributes:
        key: Key of the ``Reply``, 1 to 200 characters; several askers may wait for the same key.
    """

    key: str


class Reply(msgspec.Struct, frozen=True):
    """Reply to all askers that wait for ``key``, once this decision is durable.

    If no asker waits, it has no effect.

    Attributes:
        key: As in :class:`Later`.
        value: The reply; an exception is raised at the askers.  Those of other processes get a
            storable value, or one of the decider's ``message_types``, else a
            ``ValueNotStorableError``.
    """

    key: str
    value: Any = None


class CallReturned(msgspec.Struct, frozen=True):
    """A :class:`Call` has returned.

    Attributes:
        key: Of the call.
        value: The function's result, converted as results of steps are.
        attempt: Number of the attempt that returned, from 1.
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
        attempt: Number of the last attempt, from 1.
        unknown: Whether the outcome is unknown, because a crash cut the call off.
    """

    key: str
    error_type: str
    error_message: str
    attempt: int = 1
    unknown: bool = False


class Caused(msgspec.Struct, frozen=True):
    """An effect on its way to its performer.

    Attributes:
        effect: The effect that the decision returned.
        context: Context of all messages and calls that the effect causes.
        id: ``STREAM/VERSION/N``: the version of its decision's last event, and the effect's place
            among the decision's effects, from 0.  It stays the same when it is issued again.
    """

    effect: Any
    context: Context
    id: str = ""
