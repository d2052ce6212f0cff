"""Errors of messages to actors, and of blocking calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indelible.errors.base import IndelibleError


class ActorError(IndelibleError):
    """Base of the errors that a message to an actor can have as its answer."""


class RefusedError(ActorError):
    """A decider refused the message; nothing has changed and the actor continues."""

    def __init__(self, reason: str, **parts: Any) -> None:
        """``reason`` is for the caller."""
        super().__init__(reason, reason=reason, **parts)


class WrongDecisionError(ActorError):
    """A ``decide`` did not return a decision; nothing has changed and the actor continues."""

    def __init__(self, decider: str, found: str) -> None:
        """``found`` describes the value that the class ``decider`` returned."""
        super().__init__(
            f"{decider}.decide() returned {found}; it may return a list of events, an empty one "
            "for nothing, or a Decision of them",
            decider=decider,
            found=found,
        )


class UnknownEffectError(ActorError):
    """A ``decide`` returned an effect of a type without a handler; nothing has changed."""

    def __init__(self, decider: str, effect: str, known: Sequence[str]) -> None:
        """``effect`` and ``known`` are names of types."""
        super().__init__(
            f"{decider}.decide() returned an effect of type {effect!r}, which has no handler; "
            f"known are {', '.join(sorted(known))}",
            decider=decider,
            effect=effect,
            known=known,
        )


class EffectWithoutEventError(ActorError):
    """A ``decide`` returned an effect that must follow from an event; nothing has changed."""

    def __init__(self, decider: str, effect: str) -> None:
        """``effect`` is the name of a type."""
        super().__init__(
            f"{decider}.decide() returned a {effect} without an event; return an event with it: "
            "what is sent must follow from the log, or a crash would lose it",
            decider=decider,
            effect=effect,
        )


class WrongPendingError(ActorError):
    """``pending`` does not agree with the effects of the decisions; nothing has changed."""

    def __init__(self, decider: str, found: str) -> None:
        """``found`` describes the value that the class ``decider`` returned."""
        super().__init__(
            f"{decider}.pending() returned {found}; it must return the effects with a key that the "
            "state waits for, each with a key of its own",
            decider=decider,
            found=found,
        )


class LateReplyError(RefusedError):
    """Too many askers wait for late replies of one actor; nothing has changed."""

    def __init__(self, actor: str, bound: int) -> None:
        """``bound`` counts askers of other processes, and askers with a message id."""
        super().__init__(
            f"{actor} keeps {bound:,} askers waiting for late replies, its bound; have it reply to "
            "them, then ask again",
            actor=actor,
            bound=bound,
        )


class MailboxFullError(ActorError):
    """An actor's mailbox is full; this command was not accepted."""

    def __init__(self, actor: str, bound: int) -> None:
        """``bound`` counts commands."""
        super().__init__(
            f"{actor} has {bound:,} commands waiting, its bound; retry later or raise the bound",
            actor=actor,
            bound=bound,
        )


class AskTimeoutError(ActorError):
    """No answer in time; the command may have happened or may still happen."""

    def __init__(self, actor: str, timeout: float, threads: Sequence[str] = ()) -> None:
        """``timeout`` in seconds; ``threads`` names the threads that the host does not give."""
        missing = f"; the host gives no thread for {', '.join(threads)}" if threads else ""
        super().__init__(
            f"{actor} did not answer within {timeout:g} s{missing}; it may still act: "
            "retry with the same id, or wait longer",
            actor=actor,
            timeout=timeout,
            threads=tuple(threads),
        )


class NobodyAnswersError(AskTimeoutError):
    """A command was submitted, and no process could handle it in time."""

    def __init__(self, actor: str, timeout: float, url: str) -> None:
        """``timeout`` in seconds; ``url`` is the store's address."""
        IndelibleError.__init__(
            self,
            f"no answer for {actor} within {timeout:g} s: no process is known to own {url}; "
            "start one with `indelible serve`, then retry with the same id",
            actor=actor,
            timeout=timeout,
            url=url,
        )


class MessageExistsError(ActorError):
    """The message id belongs to another command; the new command was not submitted."""

    message_id: str

    def __init__(self, message_id: str) -> None:
        """Ids are remembered for 7 days."""
        super().__init__(
            f"message id {message_id!r} belongs to a command with other contents; "
            "choose another id for this one",
            message_id=message_id,
        )


class ActorFailedError(ActorError):
    """An actor failed on a command, and nothing has changed.

    It failed in another process, or it raised RefusedError outside of ``decide``.
    """

    def __init__(self, actor: str, failure: str) -> None:
        """``failure`` is the text of the error in that process."""
        super().__init__(
            f"{actor} failed in its process: {failure}; see the log of that process",
            actor=actor,
            failure=failure,
        )


class ActorStoppedError(ActorError):
    """The actor or its system is stopping or stopped and accepts no messages."""

    def __init__(self, actor: str, why: str) -> None:
        """``why`` is the reason for the stop."""
        super().__init__(f"{actor} takes no work: {why}", actor=actor, why=why)


class ActorQuarantinedError(ActorError):
    """The actor failed too often in a short time and was set aside."""

    def __init__(self, actor: str, failures: int, within: float, last: str) -> None:
        """``within`` in seconds; ``last`` is the newest failure."""
        super().__init__(
            f"{actor} failed {failures} times within {within:g} s and is set aside "
            f"(last: {last}); mend the cause and open the system again",
            actor=actor,
            failures=failures,
            within=within,
            last=last,
        )


class DeadlockError(ActorError):
    """Too many actors or steps on a bounded pool wait for each other, or some wait in a cycle."""

    chain: tuple[str, ...]

    def __init__(
        self, chain: Sequence[str], limit: int, who: str = "actors", *, cycle: bool = False
    ) -> None:
        """``chain`` lists the waiters, each waiting for the next; ``who`` is actors or steps.

        ``limit`` of them wait already; with ``cycle`` the chain is a cycle.
        """
        what = (
            f"{who} would wait in a cycle" if cycle else f"{limit} {who} already block on an answer"
        )
        super().__init__(
            f"{what}; the wait chain is "
            f"{' -> '.join(chain)}; use tell, or await the answer outside of {who}",
            chain=tuple(chain),
            limit=limit,
            who=who,
        )


class BlockingCallError(IndelibleError):
    """A blocking method was called on the system's event loop."""

    def __init__(self, method: str, twin: str) -> None:
        """``twin`` is the method to await instead."""
        super().__init__(
            f"{method}() blocks, and this is the system's event loop; await {twin}() instead",
            method=method,
            twin=twin,
        )
