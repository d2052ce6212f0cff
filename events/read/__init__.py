"""The reading half of a store: gaps raise errors, and states of the past can be read."""
