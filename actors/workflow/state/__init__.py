"""The state of a run: folded from events, stored in snapshots, described for people."""
