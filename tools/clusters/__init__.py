"""Clusters of nodes: their file, how one is made up, and what a plan for one needs."""
