"""The patterns of blocks, one module each: how children open, and how the block ends."""
