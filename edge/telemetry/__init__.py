"""What reaches the cloud beside requests: the outbox and its courier, presence, and the time of records."""
