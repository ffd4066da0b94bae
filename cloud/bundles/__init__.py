"""Bundles: their files, and which of them serve."""
