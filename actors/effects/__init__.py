"""Attempts at functions of the host: each begins once it is durable, and tells how it ended."""
