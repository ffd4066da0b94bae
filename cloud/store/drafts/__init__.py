"""Drafts: tables that nobody has signed."""
