"""Who may write: the owner of a store or of some shards, and roles that one process holds."""
