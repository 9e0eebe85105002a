"""Where PostgreSQL servers come from. The only layer that starts processes."""
