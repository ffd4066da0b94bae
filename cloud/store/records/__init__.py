"""Records from the devices' outboxes."""
