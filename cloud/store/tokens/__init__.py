"""Tokens of people and programs."""
