"""What commands do to a store, without typer or a terminal around it."""
