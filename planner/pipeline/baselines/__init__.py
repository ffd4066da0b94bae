"""The published ways to plan a cluster, to compare with."""
