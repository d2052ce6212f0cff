"""Verifying a store and anchoring its log: what holds, and how that can be shown later."""

from __future__ import annotations

import asyncio

import msgspec

from indelible.api.facade import Facade


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was verified, and holds.

    Attributes:
        events: All that there are, of all shards.
        streams: Those whose row says what the fold of their events says.
        snapshots: All that there are; those of :attr:`unfolded` by their checksums alone.
        anchored: Those of the events that the given anchor answers for; 0 without one, and with
            one of a store that was empty.
        unfolded: Categories that no decider of this system folds: of their streams' rows only the
            name, the category and the version were compared.
    """

    events: int
    streams: int
    snapshots: int
    anchored: int
    unfolded: tuple[str, ...]


class Verifying(Facade):
    """What an open system says about its store as it is stored; any thread may ask."""

    def anchor(self) -> str:
        """Where the log ends now, as one line of JSON for keeping where others cannot write.

        The log is not verified.

        Raises:
            VerificationError: A shard's row does not say what its last event says.
        """
        self._access.check_may_block("anchor", "anchor_async")
        from indelible.events.verification.anchor import format_anchor

        return format_anchor(self.store.anchor(), self._access.parts.clock.now())

    async def anchor_async(self) -> str:
        """Do what :meth:`anchor` does without blocking the event loop."""
        return await asyncio.to_thread(self.anchor)

    def verify(self, *, anchor: str | bytes | None = None) -> Verified:
        """Verify that the store holds what was written, all of it.

        Reads every event two to three times, some 100,000 a second, while everything goes on.

        Args:
            anchor: What :meth:`anchor` returned at some time: then it is the log that ended so,
                even if somebody has computed its hash chain anew, cut off its end, or put an older
                file in its place.

        Raises:
            VerificationError: Something does not fit: the first that was found, and in ``others``
                the rest, up to a hundred.
            AnchorError: ``anchor`` is none; nothing was verified.
        """
        self._access.check_may_block("verify", "verify_async")
        from indelible.events.verification.anchor import events_of, parse_anchor
        from indelible.events.verification.findings import Findings
        from indelible.runs.state_verification import verify_snapshots, verify_states

        parts = self._access.parts
        places = {} if anchor is None else parse_anchor(anchor)
        events = streams = snapshots = 0
        unfolded = set[str]()
        findings = Findings()
        told = (parts.store, parts.types, parts.deciders, findings)
        with findings.noting():
            events = parts.store.verify(places)
        with findings.noting():
            streams, unfolded = verify_states(*told)
        with findings.noting():
            snapshots = verify_snapshots(*told)
        findings.check()
        return Verified(
            events=events,
            streams=streams,
            snapshots=snapshots,
            anchored=events_of(places),
            unfolded=tuple(sorted(unfolded)),
        )

    async def verify_async(self, *, anchor: str | bytes | None = None) -> Verified:
        """Do what :meth:`verify` does without blocking the event loop."""
        return await asyncio.to_thread(self.verify, anchor=anchor)
