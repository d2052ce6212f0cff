"""Verifying a store, and anchoring its log so that later changes can be detected."""

from __future__ import annotations

import asyncio

import msgspec

from indelible.api.facade import Facade


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a verification that found no damage.

    Attributes:
        events: Number of all events, in all shards.
        streams: Number of streams whose row agrees with the fold of their events.
        snapshots: Number of all snapshots; those of :attr:`unfolded` were checked by checksum only.
        anchored: Number of events that the given anchor covers; 0 without an anchor, and with the
            anchor of an empty store.
        unfolded: Categories without a decider in this system: of their streams' rows only the name,
            the category and the version were compared.
    """

    events: int
    streams: int
    snapshots: int
    anchored: int
    unfolded: tuple[str, ...]


class Verifying(Facade):
    """Verification of an open system's store; any thread may call the methods."""

    def anchor(self) -> str:
        """The current end of the log, as one line of JSON; keep it where others cannot write.

        The log is not verified.

        Raises:
            VerificationError: A shard's row does not agree with its last event.
        """
        self._access.check_may_block("anchor", "anchor_async")
        from indelible.events.verification.anchor import format_anchor

        return format_anchor(self.store.anchor(), self._access.parts.clock.now())

    async def anchor_async(self) -> str:
        """Do what :meth:`anchor` does without blocking the event loop."""
        return await asyncio.to_thread(self.anchor)

    def verify(self, *, anchor: str | bytes | None = None) -> Verified:
        """Verify that the store holds all that was written, unchanged.

        Reads every event two to three times, about 100,000 a second, while the system works.

        Args:
            anchor: An earlier result of :meth:`anchor`: then also a recomputed hash chain, a cut
                end and an older file in place of this one are found.

        Raises:
            VerificationError: The store was changed or damaged: the first finding, and in
                ``others`` the rest, up to a hundred.
            AnchorError: ``anchor`` is no anchor; nothing was verified.
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
        arguments = (parts.store, parts.types, parts.deciders, findings)
        with findings.collecting():
            events = parts.store.verify(places)
        with findings.collecting():
            streams, unfolded = verify_states(*arguments)
        with findings.collecting():
            snapshots = verify_snapshots(*arguments)
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
