"""The patterns of blocks, one module each: how their children open, and how they end."""
