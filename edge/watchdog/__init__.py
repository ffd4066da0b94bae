"""The agent and its supervisor: telling systemd that it serves, that it lives, and that it ends."""
