"""Wrong tries, counted by peer."""
