"""The private PostgreSQL: made, shared, stopped, and whole again after every kind of kill."""
