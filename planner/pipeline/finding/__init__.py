"""The best plan of an instance: exactly, or with a bound; and why there is none."""
