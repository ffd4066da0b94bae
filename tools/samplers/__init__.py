"""Searching with Optuna's samplers, and by several workers at once."""
