"""From the bus into the store: what ingest does."""
