"""Verifies that a store holds what was written: log, indexes, streams, blobs, inbox, snapshots."""
