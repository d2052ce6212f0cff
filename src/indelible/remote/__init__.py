"""Commands between processes: the inbox client sends them, the inbox worker handles them."""
