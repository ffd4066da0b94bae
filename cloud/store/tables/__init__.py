"""Desired tables and reports."""
