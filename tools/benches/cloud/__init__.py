"""Benches of the cloud."""
