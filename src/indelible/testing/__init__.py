"""Helpers for tests of programs that use indelible: deciders, stores, faults, simulation."""
