"""What `dynasplit optimize` is made of: worlds to measure in, searches, and how what was found is told."""
