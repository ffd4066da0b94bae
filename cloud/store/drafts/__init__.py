"""Drafts: tables as they came in, unsigned."""
