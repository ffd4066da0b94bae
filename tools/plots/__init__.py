"""Drawings: what the tools know, as SVG and PNG."""
