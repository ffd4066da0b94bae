"""One network over the nodes of a cluster: where to cut it, which node runs which stage, and what that gives."""
