"""The owner's side: a command takes effect once and is answered once, whatever fails meanwhile."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from indelible.api.facade import access_to
from indelible.errors import (
    ActorFailedError,
    AskTimeoutError,
    MessageExistsError,
    RefusedError,
    ValueNotStorableError,
)
from indelible.events.inbox.inbox import Command
from indelible.remote.answer_codec import decode_answer
from indelible.remote.remote_messages import MESSAGE, encode_message


def say(message: Any, stream: str = "counter-c", message_id: str = "m", **more: Any) -> Command:
    kind, body = encode_message("counter-c", message, {})
    fields = {"shard": 0, "stream": stream, "kind": kind, "body": body, "sender": "a test"}
    return Command(**{"message_id": message_id, **fields, **more})


def answer_to(alone: Any, message_id: str = "m") -> Any:
    """The stored answer, once it is there."""
    watcher = alone.store.inbox.watch()
    try:
        while not (found := alone.store.inbox.answers([message_id])):
            assert watcher.wait(30), "no answer"
    finally:
        watcher.close()
    return decode_answer(found[message_id], {})


def submitted(alone: Any, *commands: Command) -> list[Any]:
    """Submit and wait for the answers."""
    alone.store.inbox.submit(commands)
    return [answer_to(alone, command.message_id) for command in commands]


def test_a_message_with_an_id_is_handled_once_and_answered_the_same_again(alone: Any) -> None:
    counter = alone.system.actor("counter", "c")
    assert counter.ask(5, message_id="m1", timeout=20) == 5
    assert counter.ask(1, message_id="m2", timeout=20) == 6
    assert counter.ask(5, message_id="m1", timeout=20) == 5
    assert alone.count() == 2


def test_a_message_id_of_another_message_is_refused(alone: Any) -> None:
    counter = alone.system.actor("counter", "c")
    counter.ask(5, message_id="m1", timeout=20)
    with pytest.raises(MessageExistsError, match="m1"):
        counter.ask(6, message_id="m1", timeout=20)
    with pytest.raises(MessageExistsError, match="m1"):
        alone.system.actor("counter", "d").ask(5, message_id="m1", timeout=20)
    assert alone.count() == 1


def test_an_answer_is_in_the_append_of_its_events(alone: Any) -> None:
    alone.commit.close()
    alone.store.inbox.submit([say(5)])
    assert alone.commit.reached.wait(20)
    assert alone.store.inbox.answers(["m"]) == {}
    task_thread: Any = access_to(alone.system).parts.inbox_worker._task_thread
    ran: list[Any] = []
    task_thread.run = ran.append
    alone.commit.open()
    assert answer_to(alone) == 5
    assert ran == []  # nothing was written beside the append


def test_queries_and_refusals_are_answered_after_the_events_that_they_rest_on(alone: Any) -> None:
    alone.commit.close()
    alone.store.inbox.submit([say(5, message_id="a")])
    assert alone.commit.reached.wait(20)
    alone.store.inbox.submit([say("total", message_id="b"), say("refuse", message_id="c")])
    directory = access_to(alone.system).directory
    probe: Any = directory.ask("counter-c", "total")  # behind them in the mailbox
    assert alone.store.inbox.answers(["a", "b", "c"]) == {}
    alone.commit.open()
    assert answer_to(alone, "b") == 5
    refusal = answer_to(alone, "c")
    assert type(refusal) is RefusedError
    assert vars(refusal)["total"] == 5
    assert probe.get(timeout=20) == 5


def test_a_failing_decider_answers_in_words_and_goes_on(alone: Any) -> None:
    failed, total = submitted(alone, say("fail", message_id="a"), say("total", message_id="b"))
    assert type(failed) is ActorFailedError
    assert "ZeroDivisionError: by nothing" in str(failed)
    assert total == 0


def test_a_refusal_with_an_event_and_a_reply_that_cannot_be_stored_are_answers(alone: Any) -> None:
    first, second = submitted(
        alone, say("refuse with an event", message_id="a"), say("unstorable", message_id="b")
    )
    assert type(first) is RefusedError
    assert type(second) is ValueNotStorableError
    assert alone.count() == 2


def test_a_command_is_handled_when_the_database_takes_writes_again(alone: Any) -> None:
    alone.before.arm(3)
    assert submitted(alone, say(5)) == [5]
    assert alone.count() == 1


def test_a_commit_of_unknown_outcome_does_not_repeat_the_command(alone: Any) -> None:
    alone.after.arm()
    assert submitted(alone, say(5)) == [5]
    assert submitted(alone, say("total", message_id="b")) == [5]
    assert alone.count() == 1


def test_what_was_submitted_while_nobody_owned_the_store_is_handled_by_the_next_owner(
    alone: Any,
) -> None:
    alone.system.close()
    alone.store.inbox.submit([say(2, message_id="a"), say("total", message_id="b")])
    alone.system.open()
    assert answer_to(alone, "a") == 2
    assert answer_to(alone, "b") == 2


def test_a_command_whose_time_is_over_is_not_handled(alone: Any) -> None:
    alone.system.close()
    alone.store.inbox.submit([say(2, message_id="a", timeout=1), say(3, message_id="b")])
    alone.system.open()
    assert answer_to(alone, "b") == 3
    late = answer_to(alone, "a")
    assert type(late) is AskTimeoutError
    assert alone.count() == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (say(1, "nobody-c"), "no actor category 'nobody'"),
        (say(1, kind="actor.unheard"), "no command 'actor.unheard'"),
        (say(1, kind="run.start"), "no command 'run.start'"),
        (say(1, kind="run.start", stream="run-1", body=b"\xc1"), "cannot be read"),
        (say(1, kind="run.start", stream="run-1", body=b"\x94\xa12\xa1a\xc4\x00\xc4\x00"), "run-1"),
        (say(1, kind="run.describe"), "no command"),
        (say(1, body=b"\x92\xa5Other\xc4\x00"), "no message type 'Other'; the owner has Add"),
        (say(1, body=b"\x92\xa3Add\xc4\x03abc"), "cannot be read"),
        (say(1, body=b"\x92\xa0\xc4\x02\xc1\xc1"), "cannot be read"),
        (say(1, body=b"\x92\xa0\xc4\x01"), "cannot be read"),
        (say(1, body=b"\xc0" * 5_000_000), "no version of indelible"),
        (say(1, kind="service.unheard", stream="service-x"), "no command 'service.unheard'"),
    ],
    ids=lambda value: None if isinstance(value, Command) else str(value)[:20],
)
def test_a_command_that_makes_no_sense_is_refused_and_harms_nobody(
    alone: Any, command: Command, words: str
) -> None:
    [answer] = submitted(alone, command)
    assert words in str(answer)
    assert submitted(alone, say(5, message_id="good")) == [5]


def test_more_commands_than_may_be_under_way_are_all_answered(
    alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.remote.inbox_worker.MAX_IN_FLIGHT", 10)
    commands = [say(1, message_id=f"m{n}") for n in range(200)]
    assert submitted(alone, *commands) == list(range(1, 201))


def test_a_service_command_is_answered_by_whoever_offers_it(alone: Any) -> None:
    threads = []

    def double(value: Any) -> Any:
        threads.append(threading.current_thread().name)
        if value == "x":
            raise RefusedError("no number")
        return value * 2

    access_to(alone.system).parts.process_commands.offer("double", double)
    command = access_to(alone.system).parts.inbox_client.command
    assert command("double", 21, 20.0).get(timeout=25) == 42
    with pytest.raises(RefusedError, match="no number"):
        command("double", "x", 20.0).get(timeout=25)
    assert threads == ["indelible-services"] * 2


def test_a_message_type_of_a_decider_must_be_a_struct_of_a_name_of_its_own(alone: Any) -> None:
    from indelible.remote.remote_messages import message_types

    class Twice:
        category = "x"
        message_types = (Command, Command)

    class Text(Twice):
        message_types = (str,)  # type: ignore[assignment] # that is the mistake

    with pytest.raises(ValueError, match="two message types 'Command'"):
        message_types([Twice()])  # type: ignore[list-item] # all that is looked at is there
    with pytest.raises(TypeError, match="is no msgspec"):
        message_types([Text()])  # type: ignore[list-item] # as above


def test_message_is_a_kind_of_its_own() -> None:
    assert say(1).kind == MESSAGE
