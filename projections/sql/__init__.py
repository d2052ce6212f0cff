"""Few statements for many rows, and several of them in one turn to the server."""
