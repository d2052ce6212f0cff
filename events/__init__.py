"""Facts: what an event is, how it is encoded, where it is kept, how it is read again."""
