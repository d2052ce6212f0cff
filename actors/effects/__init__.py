"""Effects of decisions, by type: performed after the commit, and retried by policy."""
