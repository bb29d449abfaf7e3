"""A private PostgreSQL in the user's data directory, so that nothing has to be set up."""
