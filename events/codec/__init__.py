"""Values, payloads and contexts as bytes, and what can be stored at all."""
