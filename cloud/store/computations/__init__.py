"""Tables to be computed, and what became of them."""
