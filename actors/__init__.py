"""Actors decide, append, and only then perform effects; an actor alone writes to its stream."""

from indelible.actors.decider import Decider, Decision
from indelible.actors.runtime.pooled_actor import PooledActor

__all__ = ["Decider", "Decision", "PooledActor"]
