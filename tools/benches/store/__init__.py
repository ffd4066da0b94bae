"""What the store takes with ten million rows in it."""
