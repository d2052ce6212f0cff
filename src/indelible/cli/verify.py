"""``indelible verify``: walk the hash chain of the log."""

from __future__ import annotations

from indelible.cli.opening import reading
from indelible.cli.options import DEFAULT_STORE, AsJson, Store
from indelible.cli.output import count, out


def verify_store(*, store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Check that no event was changed, removed, inserted or moved since it was recorded."""
    with reading(store) as system:
        events = system.store.verify()
    if as_json:
        from indelible.cli.values import write_json

        write_json({"events": events, "intact": True})
    else:
        out().print(f"{count(events, 'event')}, the hash chain is intact")
