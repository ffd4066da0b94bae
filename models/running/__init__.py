"""Running heads and tails: the port, its runtimes, and the files that make opening fast."""
