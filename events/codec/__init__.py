"""Encodes values, payloads and contexts as bytes, and checks that values can be stored."""
