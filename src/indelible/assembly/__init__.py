"""An open system put together: its parts, threads, shards, and how it opens and closes."""
