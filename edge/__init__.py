"""The agent on the device."""
