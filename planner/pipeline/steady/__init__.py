"""A plan at work: the schedule that repeats, and a simulation that keeps its order."""
