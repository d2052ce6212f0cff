"""Turns StartRun effects into inbox rows, or into messages to the new runs."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from indelible.actors.durable.commit.promises import check_key
from indelible.actors.effects.effect_types import Caused, StartRun
from indelible.actors.workflow.run_messages import AcceptRun
from indelible.arguments.ids_and_timeouts import check_id
from indelible.arguments.run_input import encode_input
from indelible.clock import Clock
from indelible.effect_handlers.known_definitions import Definitions
from indelible.errors import (
    DefinitionError,
    PayloadTooLargeError,
    RefusedError,
    ValueNotStorableError,
)
from indelible.errors.error_text import message_of
from indelible.events.codec.metadata import encode_metadata
from indelible.events.inbox.inbox import Command
from indelible.remote.remote_messages import BY_EFFECT, encode_message

_ID_LIMIT = 200  # characters of a run's id
_NOT_VALID = DefinitionError, PayloadTooLargeError, ValueNotStorableError


class RunStarter:
    """Makes the messages that start runs; any thread may use it."""

    def __init__(
        self,
        definitions: Definitions,
        shard_of: Callable[[str], int],
        held: Callable[[str], bool],
        clock: Clock,
        sender: str,
    ) -> None:
        """Start runs of ``definitions``; ``held`` says whether a stream may not begin attempts."""
        self._definitions = definitions
        self._shard_of = shard_of
        self._held = held
        self._clock = clock
        self._sender = sender

    def check(self, effect: StartRun) -> None:
        """Refuse an effect whose run cannot be started.

        Raises:
            RefusedError: The run cannot be started; the message says why.
        """
        if effect.key:
            check_key("the key of a StartRun", effect.key)
        self._message(effect, effect.run_id or "?")

    def row(self, caused: Caused) -> Command | None:
        """The inbox row of a :class:`StartRun`; ``None`` if the actor waits for the run's end."""
        if caused.effect.key:
            return None
        message = self.message(caused)
        stream = f"run-{message.run_id}"
        kind, body = encode_message(stream, message, {})
        message_id, shard = BY_EFFECT + caused.id, self._shard_of(stream)
        context = encode_metadata(caused.context)
        return Command(message_id, shard, stream, kind, body, self._sender, context=context)

    def message(self, caused: Caused) -> AcceptRun:
        """The message that starts the run.

        Raises:
            RefusedError: The run cannot be started; the message says why.
        """
        return self._message(caused.effect, run_id_of(caused))

    def _message(self, effect: StartRun, run_id: str) -> AcceptRun:
        check_id("agent name", effect.agent)
        check_id("run id", run_id)
        try:
            plan = self._definitions.plan(effect.definition)
            given = encode_input(plan, effect.input)
        except _NOT_VALID as error:
            raise RefusedError(f"a StartRun by {effect.agent!r}: {message_of(error)}") from error
        now, hold = self._clock.now(), self._held(f"run-{run_id}")
        return AcceptRun(run_id, effect.agent, plan.encoded, given, now=now, hold=hold)


def run_id_of(caused: Caused) -> str:
    """The id of the run that a :class:`StartRun` starts: the same each time it is issued.

    >>> from indelible.events.model.message_context import NO_CONTEXT
    >>> run_id_of(Caused(StartRun("a", "pay"), NO_CONTEXT, "order-7/1/0"))
    'order-7/1/0'
    """
    effect: StartRun = caused.effect
    if effect.run_id or (len(caused.id) <= _ID_LIMIT and caused.id.isprintable()):
        return effect.run_id or caused.id
    return sha256(caused.id.encode()).hexdigest()
