"""What reaches the cloud beside requests: outbox and courier, presence, state, what Home Assistant shows, the time of records."""
