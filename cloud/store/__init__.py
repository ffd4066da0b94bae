"""What the cloud keeps: a port, in memory and in a database; one room per subject."""
