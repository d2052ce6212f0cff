"""Effects: actors decide, append, and only then act; they are the only writers of their streams."""

from indelible.actors.decider import Decider, Decision
from indelible.actors.runtime.pooled_actor import PooledActor

__all__ = ["Decider", "Decision", "PooledActor"]
