"""What planning a cluster reaches on the published instances, and how fast it is."""
