"""Following the log: subscriptions, durable consumers, and the readers that a commit wakes."""
