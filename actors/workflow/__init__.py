"""Workflows: definitions, and the pure state machine that runs them."""
