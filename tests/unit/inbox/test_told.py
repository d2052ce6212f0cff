"""What an actor tells another: stored with its event, handed over, taken once, whatever fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inboxes import wait_until_empty
from indelible import ActorSystem, Decision, RefusedError, Tell
from indelible.actors.durable import mailbox
from indelible.api.facade import access_to
from indelible.errors import ActorFailedError, MailboxFullError, StoreUnavailableError
from indelible.events.memory.store import MemoryEventStore
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.remote.answer_codec import decode_answer
from indelible.remote.remote_messages import TELL
from indelible.testing.contract.builders import url_of
from indelible.testing.faults import Fault
from unit.inbox.posts import Card, Post, Sender, Sent


class Office:
    """A system with a sender ``a``, on a store whose commits a test may fail."""

    def __init__(self, store: EventStore, **faults: Fault) -> None:
        self.store = store
        self.faults = faults
        self.post = Post()
        self.system = ActorSystem(store, actors=[Sender(), self.post], drain=2)

    @property
    def parts(self) -> Any:
        return access_to(self.system).parts

    def send(self, *messages: tuple[str, Any]) -> None:
        """Have ``a`` tell them; the recipients have them in their mailboxes then."""
        self.system.actor("sender", "a").ask([list(one) for one in messages], timeout=20)

    def got(self, name: str) -> list[str]:
        """What a recipient has noted, once it has handled all that it had before."""
        recipient = self.system.actor("post", name)
        recipient.ask("count", timeout=20)
        return [self.parts.types.decode(event).text for event in self.store.read(f"post-{name}")]

    def rows(self) -> list[Any]:
        """What waits in the inbox."""
        return [one.command for one in self.store.inbox.first(frozenset({0}), 100)]

    def settle(self) -> None:
        """Have the answers written that are ready."""
        self.parts.inbox_worker._task_thread.stop()

    def letters(self) -> list[tuple[str, Any, str]]:
        return [tuple(letter) for letter in self.parts.host.dead_letters]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    before, after = Fault(), Fault()
    failpoints = Failpoints({"commit.begun": before, "commit.after": after})
    store: EventStore
    if request.param == "memory":
        store = MemoryEventStore(failpoints=failpoints)
    elif request.param == "sqlite":
        from indelible.events.sqlite.store import SqlEventStore

        store = SqlEventStore(url_of(tmp_path / "s.db"), failpoints=failpoints)
    else:
        from indelible.events.postgres.store import PostgresEventStore

        url = request.getfixturevalue("postgres_url")
        store = PostgresEventStore(url, failpoints=failpoints, shards=1, lease=3_600)
    office = Office(store, before=before, after=after)
    with office.system:
        yield office
        office.post.hold.open()


def test_what_is_told_is_there_before_the_asker_has_its_answer(office: Office) -> None:
    office.send(("x", "one"), ("y", "two"), ("x", Card("three")), ("x", "four"))
    assert office.got("x") == ["one", "three", "four"]
    assert office.got("y") == ["two"]
    assert office.rows() == []
    assert office.letters() == []


def test_a_row_waits_for_the_event_that_it_caused(office: Office) -> None:
    office.post.hold.close()
    office.send(("x", "one"))
    office.post.hold.wait()
    [row] = office.rows()
    assert (row.message_id, row.stream, row.kind) == ("effect:sender-a/1/0", "post-x", TELL)
    assert (row.shard, row.timeout) == (0, 0)
    office.post.hold.open()
    assert office.got("x") == ["one"]
    assert office.rows() == []


def test_what_causes_no_event_is_done_as_well(office: Office) -> None:
    office.send(("x", "nothing"))
    assert office.got("x") == []
    office.settle()
    assert office.rows() == []
    assert office.store.inbox.answers(["effect:sender-a/1/0"]) == {}


def lose(office: Office) -> None:
    """Have nothing handed over from now on, as if the process died at that moment."""
    office.parts.host.carrier = Lost()


class Lost:
    def sending(self, commands: Any) -> None:
        """Nobody knows of them."""

    sent = not_sent = sending


def test_what_was_not_handed_over_is_by_the_next_owner(office: Office) -> None:
    office.parts.inbox_worker.stop()
    lose(office)
    office.send(("x", "one"), ("y", "two"))
    office.send(("x", "three"))
    assert len(office.rows()) == 3
    office.system.close()
    office.system.open()
    wait_until_empty(office.store)
    assert office.got("x") == ["one", "three"]
    assert office.got("y") == ["two"]


def ask_when_available(sender: Any) -> None:
    while True:
        try:
            sender.ask([], timeout=20)
        except StoreUnavailableError:
            time.sleep(0.002)  # else this thread would keep the store's from coming back
        else:
            return


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_database_that_fails_loses_and_repeats_nothing(
    office: Office, when: str, times: int
) -> None:
    sender = office.system.actor("sender", "a")
    sender.ask([])
    office.faults[when].arm(times)
    for number in range(5):
        sender.tell([["x", f"m{number}"], ["y", f"m{number}"]])
    ask_when_available(sender)  # behind them in the mailbox
    assert sender.state() >= 7
    wait_until_empty(office.store)
    for name in "xy":
        assert sorted(office.got(name)) == [f"m{number}" for number in range(5)]


def test_what_was_stored_though_nobody_could_tell_is_found(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = office.store
    monkeypatch.setattr(store._group._backend, "event_ids", lambda places: [None] * len(places))
    office.faults["after"].arm()
    with pytest.raises(StoreUnavailableError):
        office.send(("x", "one"), ("x", "two"))
    monkeypatch.undo()
    ask_when_available(office.system.actor("sender", "a"))
    wait_until_empty(office.store)
    assert office.got("x") == ["one", "two"]


def test_more_than_a_mailbox_holds_is_not_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "COMMANDS", 50)
    office.post.hold.close()
    number = 300
    office.send(("x", "first"))
    office.post.hold.wait()
    office.send(*[("x", f"m{n}") for n in range(number)])
    office.post.hold.open()
    wait_until_empty(office.store)
    assert sorted(office.got("x")) == sorted(["first", *(f"m{n}" for n in range(number))])
    assert office.letters() == []


def test_a_mailbox_that_is_full_leaves_it_in_the_inbox(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = office.parts.directory
    ask_here, refused = directory.ask_here, list[str]()

    def full(stream: str, message: Any, future: Any, **more: Any) -> None:
        if stream.startswith("post-") and len(refused) < 3:
            refused.append(stream)
            error = MailboxFullError(stream, 1)
            future.set_exception((MailboxFullError, error, None))
        else:
            ask_here(stream, message, future, **more)

    monkeypatch.setattr(directory, "ask_here", full)
    office.send(("x", "one"), ("x", "two"))
    wait_until_empty(office.store)
    assert sorted(office.got("x")) == ["one", "two"]
    assert len(refused) == 3
    assert office.letters() == []


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        ("refuse", RefusedError, "not today"),
        ("fail", ActorFailedError, "ZeroDivisionError: by nothing"),
    ],
)
def test_what_is_not_taken_is_a_dead_letter_and_answered(
    office: Office, message: str, kind: type[Exception], words: str
) -> None:
    office.send(("x", "one"), ("x", message), ("x", "two"))
    assert office.got("x") == ["one", "two"]
    office.settle()
    [(stream, letter, why)] = office.letters()
    assert (stream, letter) == ("post-x", message)
    assert "not today" in why or "by nothing" in why
    assert office.rows() == []
    [stored] = office.store.inbox.answers(["effect:sender-a/1/1"]).values()
    answer = decode_answer(stored, {})
    assert type(answer) is kind
    assert words in str(answer)


def test_what_is_told_to_a_category_that_the_owner_lacks_is_a_dead_letter(office: Office) -> None:
    office.parts.inbox_worker.stop()
    lose(office)
    office.send(("x", "one"))
    office.system.close()
    office.system = ActorSystem(office.store, actors=[Sender()], drain=2)
    with office.system:
        wait_until_empty(office.store)
        [(stream, _, why)] = office.letters()
        assert stream == "post-x"
        assert "no actor category 'post'" in why


def test_an_actor_may_tell_itself(office: Office) -> None:
    class Counter(Sender):
        def decide(self, state: int, message: Any) -> Decision:
            more = [Tell("sender", "a", message - 1)] if message else []
            return Decision([Sent()], None, more)

    office.system.close()
    office.system = ActorSystem(office.store, actors=[Counter(), Post()], drain=2)
    with office.system:
        office.system.actor("sender", "a").ask(10, timeout=20)
        wait_until_empty(office.store)
        assert office.system.actor("sender", "a").state() == 11
