"""Serving a workload in a world of recorded trials, by one strategy after the other."""
