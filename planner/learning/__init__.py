"""What served requests teach about the rows of a table."""
