"""What the agent itself costs: its time beside head, wire and tail, its sampling, its rest."""
