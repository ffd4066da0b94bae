"""How many records a second ingest takes in."""
