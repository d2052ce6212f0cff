"""A group of appends as statements of PostgreSQL."""
