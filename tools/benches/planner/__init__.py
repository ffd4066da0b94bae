"""What the planner reaches on the published data, and how fast it is."""
