"""Tables for many devices, stage by stage: decided here, carried out by ingest."""
