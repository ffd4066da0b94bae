"""What a configuration costs: composed from measured parts, with an uncertainty."""
