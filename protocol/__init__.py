"""What the processes agree on: configurations, tensors on the wire, messages, topics, the bus."""
