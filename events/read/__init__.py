"""The reading half of a store: gapless or told, and as of a moment of the past."""
