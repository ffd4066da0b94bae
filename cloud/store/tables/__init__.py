"""Drafts, desired tables and reports."""
