"""Measurements that contradict the rest: found, named, and left out."""
