"""The way to the cloud: round trips, their transport, and what may be sent."""
