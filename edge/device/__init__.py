"""What the agent knows of the board and does to it."""
