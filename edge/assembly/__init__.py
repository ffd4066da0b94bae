"""The agent, put together: every adapter is made here, handed to who needs it, and closed again in reverse order."""
