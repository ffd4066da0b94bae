"""Running tails: answering, turns, statistics, energy."""
