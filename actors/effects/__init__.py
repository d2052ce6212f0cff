"""What a decision asks of the world, by type; performed once it is durable, retried by policy."""
