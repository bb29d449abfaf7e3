"""The worker: sweeps go on whatever happens, and end their batch when told to stop."""
