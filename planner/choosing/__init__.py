"""Which row serves a request, and why."""
