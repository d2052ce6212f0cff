"""Durable actors: the state is the fold of the stream; effects follow the commit of the events."""
