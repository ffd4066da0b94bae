"""What was saved: reading records of inferences, summing them up, and holding them against a baseline."""
