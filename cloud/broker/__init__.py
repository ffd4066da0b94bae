"""The broker's accounts of devices."""
