"""Connections to databases, whichever they are: begun, inherited by a fork, logged, their clock."""
