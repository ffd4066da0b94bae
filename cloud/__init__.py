"""The backend that finishes inferences, the ingest process and the store."""
