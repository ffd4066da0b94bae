"""Records that grow old: samples by the minute, and what goes."""
