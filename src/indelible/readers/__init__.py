"""Reading the log of an open system: subscriptions, consumers, and parked events."""
