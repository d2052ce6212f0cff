"""Decodes and checks commands in the process that owns their shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from indelible.actors.step_types.base import StepTypes
from indelible.actors.workflow.definition.compile import check_input, compile_definition
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.definition.plan_cache import content_of_stored
from indelible.actors.workflow.execute.executor import Executor
from indelible.actors.workflow.run_messages import COMMANDS, AcceptRun, Describe
from indelible.arguments.context_arguments import check_context
from indelible.arguments.ids_and_timeouts import check_id
from indelible.clock import Clock
from indelible.errors import (
    DefinitionError,
    EventDecodeError,
    PayloadTooLargeError,
    RefusedError,
)
from indelible.errors.error_text import message_of
from indelible.events.codec.metadata import decode_metadata
from indelible.events.codec.values import decode_value
from indelible.events.inbox.inbox import COMMAND_LIMIT, Command
from indelible.events.model.message_context import Context
from indelible.remote.answer_codec import encode_error, encode_reply
from indelible.remote.remote_messages import (
    MESSAGE,
    TELL,
    ActorMessage,
    MessageTypes,
    is_tell,
)

Encode = Callable[[Any], bytes | None]


class CommandReader:
    """Decodes commands for actors of this process; for one thread."""

    def __init__(
        self,
        *,
        types: Mapping[str, MessageTypes],
        step_types: StepTypes,
        executor: Executor,
        clock: Clock,
        shard_of: Callable[[str], int],
    ) -> None:
        """Accept commands for the categories in ``types``."""
        self._types = types
        self._step_types = step_types
        self._executor = executor
        self._clock = clock
        self._shard_of = shard_of

    def read(self, command: Command) -> tuple[Any, Encode]:
        """The message in ``command``, and the function that encodes its answer.

        Raises:
            RefusedError: ``command`` is not valid for an actor of this process.
            DefinitionError: The command starts a run that cannot be run here.
        """
        stream = command.stream
        category = stream.partition("-")[0]
        if category not in self._types:
            raise RefusedError(
                f"no actor category {category!r} in the process that owns {stream!r}"
            )
        if self._shard_of(stream) != command.shard or len(command.body) > COMMAND_LIMIT:
            raise RefusedError(f"a command for {stream!r} that no version of indelible has sent")
        types = self._types[category]
        try:
            message = self._message(command, types)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise RefusedError(f"command {command.kind!r} cannot be read: {error}") from error
        if type(message) is Describe:
            return message, lambda reply: encode_reply(
                stream, self._with_unregistered(stream, reply), {}
            )
        if is_tell(command):
            return message, lambda reply: _encode_failure(stream, reply)
        return message, partial(self.encode_reply, stream)

    def encode_reply(self, stream: str, reply: Any) -> bytes:
        """Encode a reply or an error of the actor of ``stream``; any thread may call."""
        return encode_reply(stream, reply, self._types[stream.partition("-")[0]])

    def context(self, command: Command) -> Context | None:
        """The context recorded in the events that the message causes; ``None`` if it is empty.

        Raises:
            RefusedError: No caller could have set such a context.
        """
        if not command.context:
            return None
        try:
            context = decode_metadata(command.context)
        except (EventDecodeError, PayloadTooLargeError) as error:
            why = f"the context of command {command.kind!r} cannot be read: {message_of(error)}"
            raise RefusedError(why) from error
        check_context(context)
        return context

    def _message(self, command: Command, types: MessageTypes) -> Any:
        is_run = command.stream.startswith("run-")
        if command.kind in COMMANDS and is_run:
            message = _read(command.body, COMMANDS[command.kind])
            if type(message) is AcceptRun:
                message = self._check_start(command.stream, message)
            now, hold = self._clock.now(), self._executor.held(command.stream)
            return replace(message, now=now, hold=hold)
        if command.kind in (MESSAGE, TELL) and not is_run:
            encoded = _read(command.body, ActorMessage)
            if not encoded.type:
                return decode_value(encoded.body)
            if encoded.type not in types:
                known = ", ".join(sorted(types)) or "none"
                raise RefusedError(f"no message type {encoded.type!r}; the owner has {known}")
            return _read(encoded.body, types[encoded.type])
        raise RefusedError(f"no command {command.kind!r} for {command.stream!r} in this version")

    def _check_start(self, stream: str, start: AcceptRun) -> AcceptRun:
        check_id("run id", start.run_id)
        check_id("agent name", start.agent)
        if stream != f"run-{start.run_id}":
            raise RefusedError(f"a start of run {start.run_id!r} was sent to {stream!r}")
        plan = self._plan(start.definition)
        problems = check_input(plan, decode_value(start.input))
        if problems:
            raise DefinitionError(plan.name, problems)
        return replace(start, definition=plan.encoded)

    def _plan(self, definition: bytes) -> Plan:
        plans, content = self._executor.plans, content_of_stored(definition)
        plan = plans.find(content)
        if plan is None:
            given = decode_value(definition)
            if not isinstance(given, dict):
                raise RefusedError("a definition that is no mapping")
            plan = plans.add(compile_definition(given, self._step_types), content)
        return plan

    def _with_unregistered(self, stream: str, reply: Any) -> Any:
        """A run's status, with unregistered step types added to ``waiting_for``."""
        if isinstance(reply, dict):
            unregistered = self._executor.unregistered.reasons(stream)
            return {**reply, "waiting_for": [*reply["waiting_for"], *unregistered]}
        return reply


def _encode_failure(stream: str, reply: Any) -> bytes | None:
    """Encode an error, which is kept for people to see; a success needs no answer."""
    return encode_error(stream, reply) if isinstance(reply, BaseException) else None


def _read(body: bytes, cls: type[Any]) -> Any:
    return msgspec.msgpack.decode(body, type=cls, strict=True)
