"""Rollouts and how far they are."""
