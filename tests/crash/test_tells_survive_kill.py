"""kill -9 while actors tell each other: of each message there is one event, no less and no more.

The events are counted from outside, when nothing is under way any more: whatever was promised by an
event of a sender is an event of its recipient.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from crash import life as child
from crash.tell_child import LETTERS, Recipient, Sender
from inboxes import wait_until_empty
from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.testing.contract.builders import url_of
from killing import end_leases

KILLS = 100 if os.environ.get("INDELIBLE_FAULTS") == "1" else 20
LEASE = 1.0

PLACES = (
    "append.queued",
    "commit.begun",
    "commit.before",
    "commit.after",
    "tell.before",
    "ack.after",
)


class Life(child.Life):
    module = "tell_child"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return url_of(tmp_path / "s.db")
    return str(request.getfixturevalue("postgres_url"))


def check(url: str, acknowledged: dict[str, int]) -> int:
    """Let what is under way come to its end, and see that all is there once; how much it is."""
    with ActorSystem(url, actors=[Sender(), Recipient()], lease=LEASE) as system:
        wait_until_empty(system.store)
        decode = access_to(system).parts.types.decode
        promised = {
            (head.stream.removeprefix("sender-"), version, place)
            for head in system.store.heads("sender")
            for version in range(1, head.version + 1)
            for place in range(LETTERS)
        }
        got: Counter[tuple[str, int, int]] = Counter()
        for head in system.store.heads("recipient"):
            for event in system.store.read(head.stream):
                letter: Any = decode(event)
                got[letter.sender, letter.version, letter.place] += 1
                assert event.context.causation_id == f"sender-{letter.sender}/{letter.version}"
        assert set(got) == promised
        assert set(got.values()) <= {1}
        for name, version in acknowledged.items():
            assert (name, version, 0) in promised
        assert not access_to(system).parts.host.dead_letters
        system.verify()
        return len(got)


@pytest.fixture
def then() -> Iterator[ExitStack]:
    with ExitStack() as then:
        yield then


@pytest.mark.timeout(240)
def test_of_each_message_there_is_one_event_however_often_one_process_is_killed(
    tmp_path: Path,
) -> None:
    url, rng = url_of(tmp_path / "s.db"), random.Random(5)  # noqa: S311 - when to kill
    acknowledged: dict[str, int] = {}
    for _ in range(KILLS):
        life = Life(url)
        life.wait_for(rng.randrange(1, 120))
        acknowledged |= life.kill()
    assert check(url, acknowledged) > KILLS * LETTERS


@pytest.mark.timeout(240)
def test_of_each_message_there_is_one_event_however_often_two_processes_are_killed(
    postgres_url: str, then: ExitStack
) -> None:
    rng = random.Random(6)  # noqa: S311 - when to kill
    acknowledged: dict[str, int] = {}
    lives = [Life(postgres_url, lease=LEASE) for _ in range(2)]
    then.callback(lambda: [life.kill() for life in lives])
    for life in lives:
        life.wait_for(1)
    for number in range(KILLS):
        killed = lives[number % 2]
        killed.wait_for(rng.randrange(1, 60))
        acknowledged |= killed.kill()
        lives[number % 2] = Life(postgres_url, lease=LEASE)
        lives[1 - number % 2].wait_for(1)
    for life in lives:
        life.wait_for(1)
        acknowledged |= life.kill()
    assert check(postgres_url, acknowledged) > KILLS * LETTERS


@pytest.mark.timeout(240)
@pytest.mark.parametrize("place", PLACES)
def test_of_each_message_there_is_one_event_wherever_the_process_ends(url: str, place: str) -> None:
    acknowledged: dict[str, int] = {}
    for count in (1, 2, 5, 17):
        acknowledged |= Life(url, place, count, LEASE).end()
        end_leases(url)
    check(url, acknowledged)
