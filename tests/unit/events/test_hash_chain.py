"""The hash chain: frozen for ever, and different for any difference."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from indelible.events.model.hash_chain import GENESIS, event_hash, link

PARTS: dict[str, Any] = {
    "stream": "run-é",
    "version": 7,
    "event_id": bytes(range(16)),
    "type": "run.accepted",
    "schema": 2,
    "recorded_at": 1_700_000_000_000_000,
    "metadata": b"\x81\xa1a\x01",
    "payload": b"\x80",
}

FROZEN_HASH = "f35eb9615794994f7363edbad3ed203df50fa12c86d2836e2d7fbd9ad19f1f19"
FROZEN_LINK = "857c1281fef19da174d86c7b9fcb82104981eb42409c46f7d4ba756b062c6689"


def test_an_event_hash_is_sha256_over_length_prefixed_parts() -> None:
    whole = b""
    for part in PARTS.values():
        stored = part.encode() if isinstance(part, str) else part
        stored = part.to_bytes(8, "big") if isinstance(part, int) else stored
        whole += len(stored).to_bytes(4, "big") + stored
    assert event_hash(**PARTS) == sha256(whole).digest()


def test_the_hashes_never_change() -> None:
    hashed = event_hash(**PARTS)
    assert hashed.hex() == FROZEN_HASH
    assert link(GENESIS, 3, 9, 5, hashed).hex() == FROZEN_LINK


@pytest.mark.parametrize("name", list(PARTS))
def test_every_part_counts(name: str) -> None:
    part = PARTS[name]
    other = part + 1 if isinstance(part, int) else part + part[:1]
    assert event_hash(**{**PARTS, name: other}) != event_hash(**PARTS)


def test_bytes_cannot_move_from_one_part_to_the_next() -> None:
    a = event_hash(**{**PARTS, "metadata": b"ab", "payload": b"c"})
    b = event_hash(**{**PARTS, "metadata": b"a", "payload": b"bc"})
    assert a != b


def test_a_link_depends_on_its_place_and_on_the_epoch_of_its_writer() -> None:
    hashed = event_hash(**PARTS)
    links = {
        link(GENESIS, 0, 1, 1, hashed),
        link(GENESIS, 0, 2, 1, hashed),
        link(GENESIS, 1, 1, 1, hashed),
        link(GENESIS, 0, 1, 2, hashed),
        link(hashed, 0, 1, 1, hashed),
    }
    assert len(links) == 5
