"""Inferences summed up for charts."""
