"""Attempts at functions: queue, holds, execution, time-out, and the record of a failure."""
