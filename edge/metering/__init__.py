"""Energy: the meter sampled in a process of its own, and what a request drew of it."""
