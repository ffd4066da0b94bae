"""What `dynasplit optimize` is made of: worlds to measure in, searches, what was found, and how it is told."""
