"""Durable identities: actors whose state is a fold of their stream, and who act only after it."""
