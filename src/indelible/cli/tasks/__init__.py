"""The work of the commands on a store, without typer or a terminal."""
