"""Commands as they are typed, and programs as they are started, killed and stopped."""
