"""What every gateway promises, and what ours do besides."""
