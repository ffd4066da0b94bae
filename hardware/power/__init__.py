"""Power meters: the port, and one meter per file."""
