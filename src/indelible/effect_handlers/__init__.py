"""Handlers of effects on the world outside the actor: Tell, StartRun, Alert."""
