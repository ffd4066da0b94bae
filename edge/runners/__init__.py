"""What runs heads and tails: the port, and the child process behind it."""
