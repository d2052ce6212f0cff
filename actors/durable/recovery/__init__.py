"""From the log back to a state: replay, snapshots, restarts, quarantine."""
