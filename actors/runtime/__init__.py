"""The threads under the actors: who runs what and when; one message of an actor at a time."""
