"""Checks of the arguments of public methods, before any actor gets a message."""
