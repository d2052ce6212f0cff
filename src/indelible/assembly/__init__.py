"""Building an open system: its parts, its threads, its shards, opening and closing."""
