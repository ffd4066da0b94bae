"""Measurements in, wherever they are: our own JSON lines, the published CSV format, a database, a backend."""
