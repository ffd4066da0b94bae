"""Messages and records that nobody could read."""
