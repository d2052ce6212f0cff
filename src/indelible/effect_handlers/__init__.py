"""Performs effects that leave an actor: tell another, start a run, alert a person."""
