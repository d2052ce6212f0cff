"""The log as it grows: subscriptions, durable consumers, and who is woken by a commit."""
