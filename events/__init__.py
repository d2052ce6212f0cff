"""Events: their model and encoding, the event stores, reading and subscriptions."""
