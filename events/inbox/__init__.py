"""Commands of other processes, durable before an actor handles them: the port, and its table."""
