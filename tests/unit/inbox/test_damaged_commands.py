"""A row of the inbox that holds no command is set aside; those around it are handled."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import pytest

from indelible import ActorSystem
from indelible.errors import RefusedError, StoreCorruptError, ValueDecodeError
from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.commit.shard_plan import shard_of
from indelible.events.inbox.inbox import COMMAND_LIMIT
from indelible.events.opening import open_store
from indelible.remote.answer_codec import decode_answer
from indelible.remote.remote_messages import encode_message
from indelible.testing.contract.builders import url_of
from postgres_server import connect
from unit.inbox.counters import Counter

COLUMNS = ("message_id", "shard", "stream", "kind", "body", "sender", "submitted_at", "deadline")
KIND, BODY = encode_message("counter-c", 1, {})
GOOD = ("'{id}'", "0", "'counter-c'", f"'{KIND}'", f"x'{BODY.hex()}'", "'a test'", "1", "0")
NO_TEXT = "CAST(x'72F2' AS TEXT)"

DAMAGED = [
    *((column, NO_TEXT) for column in COLUMNS if column != "shard"),
    *((column, "x'FF'") for column in ("message_id", "stream", "kind", "sender")),
    *(("body", value) for value in ("'text'", "7", f"zeroblob({COMMAND_LIMIT + 1})")),
    *((column, "zeroblob(2000)") for column in ("stream", "kind", "sender")),
    *(("context", value) for value in ("'text'", "7", f"zeroblob({METADATA_LIMIT + 1})")),
    ("stream", "CAST(printf('%.*c', 2000, 'x') AS TEXT)"),
    ("kind", "CAST(zeroblob(70000000) AS TEXT)"),
    *(("shard", value) for value in ("'x'", "0.5", "7", "-1", NO_TEXT, "x'00'", "zeroblob(2000)")),
]
NO_CONTEXTS: list[Any] = [  # that any caller could have set
    *([], {"principal": 1}, {"principal": "a\0b"}, {"reason": "two\nlines"}),
    *({"traceparent": "00-x"}, {"tracestate": "a=1"}, {"tenant": "x" * 201}),
]
UNFIT = [  # each is read, and refused by what it is meant for
    *(("stream", value) for value in ("''", "'x'", "'run-'", "'nothing-1'", "'service-x'")),
    *(("kind", value) for value in ("'service.x'", "'run.start'", "5", "''")),
    *(("body", value) for value in ("x''", "x'C1'", "x'93010203'", "x'DF00FFFFFF'", "zeroblob(9)")),
    *(("context", f"x'{value.hex()}'") for value in (b"\xc1", b"\x93", b"\xdf\x00\xff\xff\xff")),
    *(("context", f"x'{msgpack.packb(fields).hex()}'") for fields in NO_CONTEXTS),
]


def row(message_id: str, column: str = "", value: str = "", shard: int = 0) -> str:
    values = dict(zip(COLUMNS, GOOD, strict=True))
    values |= {"message_id": f"'{message_id}'", "shard": str(shard)}
    values |= {column: value} if column else {}
    return (
        f"INSERT INTO inbox ({', '.join(values)}, answered_at) VALUES ({', '.join(values.values())}"
        ", 0)"
    )


def for_postgresql(statement: str) -> bytes:
    """With byte strings as they are written there."""
    return re.sub(r"\bx('[0-9A-Fa-f]*')", r"decode(\1, 'hex')", statement).encode()


def wait_for(system: ActorSystem, message_id: str) -> Any:
    """The answer to ``message_id``, once it is there."""
    watcher = system.store.inbox.watch()
    try:
        while not (found := system.store.inbox.answers([message_id])):
            watcher.wait(watcher.busy)
    finally:
        watcher.close()
    return decode_answer(found[message_id], {})


def test_a_row_that_holds_no_command_holds_up_no_other(tmp_path: Path) -> None:
    database = tmp_path / "store.db"
    with ActorSystem(url_of(database), actors=[Counter()], drain=2):
        pass
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for number, (column, value) in enumerate([*DAMAGED, *UNFIT]):
            connection.execute(row(f"bad{number}", column, value))
        connection.execute(row("good"))
    with ActorSystem(url_of(database), actors=[Counter()], drain=2) as system:
        assert wait_for(system, "good") == 3  # two damaged ones are good enough to be handled
        for number, (column, value) in enumerate([*DAMAGED, *UNFIT]):
            if column in ("message_id", "submitted_at", "deadline"):
                continue
            said = wait_for(system, f"bad{number}")
            corrupt = number < len(DAMAGED)
            wanted = (StoreCorruptError,) if corrupt else (RefusedError, ValueDecodeError)
            assert isinstance(said, wanted), (column, value, said)
        assert system.actor("counter", "c").ask(1, message_id="m", timeout=20) == 4
        assert not system.store.inbox.waiting({0}, 10)


def test_a_command_that_fits_nothing_is_answered_on_postgresql(postgres_url: str) -> None:
    with ActorSystem(postgres_url, actors=[Counter()], drain=2) as system:
        shard = system.store.shard_of("counter-c")
        size = COMMAND_LIMIT + 1
        unfit = [*(one for one in UNFIT if "zeroblob" not in one[1])]
        unfit += [("kind", "'x'"), ("body", f"decode(repeat('00', {size}), 'hex')")]
        with connect(postgres_url) as connection:
            for number, (column, value) in enumerate(unfit):
                connection.execute(for_postgresql(row(f"bad{number}", column, value, shard)))
            connection.execute(for_postgresql(row("good", shard=shard)))
            connection.execute(b"NOTIFY indelible_inbox")
        assert wait_for(system, "good") == 1
        for number in range(len(unfit)):
            said = wait_for(system, f"bad{number}")
            assert isinstance(said, (RefusedError, StoreCorruptError)), (unfit[number], said)


def wait_for_none_astray(system: ActorSystem) -> None:
    watcher = system.store.inbox.watch()
    try:
        while system.store.inbox.astray(system.store.shards, 10):
            watcher.wait(watcher.busy)
    finally:
        watcher.close()


def test_a_command_that_was_answered_at_no_time_is_answered_once(tmp_path: Path) -> None:
    never = ("'x'", "-1", NO_TEXT, "x'00'", "zeroblob(2000)")
    with ActorSystem(url_of(tmp_path / "store.db"), actors=[Counter()], drain=2) as system:
        assert system.actor("counter", "c").ask(1, message_id="kept", timeout=20) == 1
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as connection:
        for number, value in enumerate(never):
            connection.execute(row(f"bad{number}"))
            change = f"UPDATE inbox SET answered_at = {value} WHERE message_id = 'bad{number}'"
            connection.execute(change)
        connection.execute("UPDATE inbox SET answered_at = -1 WHERE message_id = 'kept'")
    with ActorSystem(url_of(tmp_path / "store.db"), actors=[Counter()], drain=2) as system:
        wait_for_none_astray(system)
        for number in range(len(never)):
            said = wait_for(system, f"bad{number}")
            assert isinstance(said, StoreCorruptError), number
            assert "answered_at is an impossible time" in str(said)
        counter = system.actor("counter", "c")
        assert counter.ask(1, message_id="kept", timeout=20) == 1, "a first answer stands"
        assert counter.ask(1, message_id="next", timeout=20) == 2


def test_a_command_of_another_shard_is_set_aside_on_postgresql(postgres_url: str) -> None:
    open_store(postgres_url, shards=2).close()
    with connect(postgres_url) as connection:
        for shard in (-1, 2, 1 - shard_of("counter-c", 2)):
            connection.execute(for_postgresql(row(f"bad{shard}", shard=shard)))
        connection.execute(for_postgresql(row("never", shard=shard_of("counter-c", 2))))
        connection.execute(b"UPDATE inbox SET answered_at = -1 WHERE message_id = 'never'")
    with ActorSystem(postgres_url, actors=[Counter()], drain=2) as system:
        wait_for_none_astray(system)
        for name in ("bad-1", "bad2", f"bad{1 - shard_of('counter-c', 2)}", "never"):
            assert isinstance(wait_for(system, name), StoreCorruptError), name
        assert system.actor("counter", "c").ask(1, timeout=20) == 1


def test_a_missing_answer_is_an_error_of_its_asker_alone(tmp_path: Path) -> None:
    database = tmp_path / "store.db"
    with ActorSystem(url_of(database), actors=[Counter()], drain=2):
        pass
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(row("lost"))
        connection.execute("UPDATE inbox SET answered_at = 5")
    with ActorSystem(url_of(database), mode="client", actors=[Counter()]) as client:
        assert client.store.inbox.answers(["lost"]) == {"lost": b""}


def test_an_answer_that_cannot_be_read_is_an_error_of_its_asker_alone(tmp_path: Path) -> None:
    database = tmp_path / "store.db"
    with ActorSystem(url_of(database), actors=[Counter()], drain=2) as system:
        counter = system.actor("counter", "c")
        assert [counter.ask(1, message_id=one, timeout=20) for one in ("a", "b", "c")] == [1, 2, 3]
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute(f"UPDATE inbox SET answer = {NO_TEXT} WHERE message_id = 'a'")
            connection.execute("UPDATE inbox SET answer = 7 WHERE message_id = 'b'")
        for lost in ("a", "b"):
            with pytest.raises(ValueDecodeError):
                counter.ask(1, message_id=lost, timeout=20)
        answers = system.store.inbox.answers(["a", "c"])
        assert decode_answer(answers["c"], {}) == 3
