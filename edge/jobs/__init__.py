"""What an operator has the device do beside serving: jobs, worked off one after the other, remembered over restarts."""
