"""What an actor answers instead of a result, and where blocking is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indelible.errors.base import IndelibleError


class ActorError(IndelibleError):
    """Base of what an actor answers instead of a result."""


class RefusedError(ActorError):
    """A decider said no; nothing changed and the actor goes on."""

    def __init__(self, reason: str, **parts: Any) -> None:
        """``reason`` is for the asker."""
        super().__init__(reason, reason=reason, **parts)


class WrongDecisionError(ActorError):
    """A ``decide`` returned what is no decision; nothing has changed and the actor goes on."""

    def __init__(self, decider: str, found: str) -> None:
        """``found`` is what the class ``decider`` returned, in words."""
        super().__init__(
            f"{decider}.decide() returned {found}; it may return a list of events, an empty one "
            "for nothing, or a Decision of them",
            decider=decider,
            found=found,
        )


class UnknownEffectError(ActorError):
    """A ``decide`` returned an effect that nothing performs; nothing has changed."""

    def __init__(self, decider: str, effect: str, known: Sequence[str]) -> None:
        """``effect`` and ``known`` are names of types."""
        super().__init__(
            f"{decider}.decide() returned an effect of type {effect!r}, which nothing performs; "
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
    """``pending`` does not say what the decisions say; nothing has changed."""

    def __init__(self, decider: str, found: str) -> None:
        """``found`` is what the class ``decider`` says, in words."""
        super().__init__(
            f"{decider}.pending() returned {found}; it must return the effects with a key that the "
            "state waits for, each with a key of its own",
            decider=decider,
            found=found,
        )


class LateReplyError(RefusedError):
    """A ``decide`` answers later, and the asker is one that cannot wait; nothing has changed."""

    def __init__(self, decider: str) -> None:
        """``decider`` is the name of a class."""
        super().__init__(
            f"{decider}.decide() answers this later, which only askers in the process of the actor "
            "can wait for, and only without a message_id; tell it, and look at its state",
            decider=decider,
        )


class MailboxFullError(ActorError):
    """An actor has as many commands waiting as it takes; this one was not accepted."""

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
        """``timeout`` in seconds; ``threads`` are those that the host does not give."""
        lacking = f"; the host gives no thread for {', '.join(threads)}" if threads else ""
        super().__init__(
            f"{actor} did not answer within {timeout:g} s{lacking}; it may still act: "
            "retry with the same id, or wait longer",
            actor=actor,
            timeout=timeout,
            threads=tuple(threads),
        )


class NobodyAnswersError(AskTimeoutError):
    """A command was submitted, and no process that could handle it is there."""

    def __init__(self, actor: str, timeout: float, url: str) -> None:
        """``timeout`` in seconds; ``url`` is the store's address."""
        IndelibleError.__init__(
            self,
            f"nobody answered for {actor} within {timeout:g} s: no process is known to own {url}; "
            "start one with `indelible serve`, then retry with the same id",
            actor=actor,
            timeout=timeout,
            url=url,
        )


class MessageExistsError(ActorError):
    """The message id belongs to another command; this one was not submitted."""

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

    It did so in another process, or refused where only ``decide`` may.
    """

    def __init__(self, actor: str, failure: str) -> None:
        """``failure`` is what was raised there, in words."""
        super().__init__(
            f"{actor} failed in its process: {failure}; see the log of that process",
            actor=actor,
            failure=failure,
        )


class ActorStoppedError(ActorError):
    """The actor or its system is stopping or stopped and takes no new work."""

    def __init__(self, actor: str, why: str) -> None:
        """``why`` names what stopped it."""
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
    """Too many actors or steps wait for each other on a bounded pool, or some in a circle."""

    chain: tuple[str, ...]

    def __init__(
        self, chain: Sequence[str], limit: int, who: str = "actors", *, circle: bool = False
    ) -> None:
        """``chain`` is who waits for whom, first waiter first; ``who`` says what they are.

        ``limit`` of them wait already; with ``circle`` it is the circle that is too much.
        """
        what = (
            f"{who} would wait in a circle"
            if circle
            else f"{limit} {who} already block on an answer"
        )
        super().__init__(
            f"{what}; the wait chain is "
            f"{' -> '.join(chain)}; use tell, or await the answer outside of {who}",
            chain=tuple(chain),
            limit=limit,
            who=who,
        )


class BlockingCallError(IndelibleError):
    """A blocking method was called where blocking would stop everything else."""

    def __init__(self, method: str, twin: str) -> None:
        """``twin`` is the method to await instead."""
        super().__init__(
            f"{method}() blocks, and this is the system's event loop; await {twin}() instead",
            method=method,
            twin=twin,
        )
