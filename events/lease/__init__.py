"""The shards that a process may write, and roles that one process at a time holds."""
