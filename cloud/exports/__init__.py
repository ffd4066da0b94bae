"""Records as files: which columns they have, and how they are written piece by piece."""
