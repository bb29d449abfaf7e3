"""`billsmith subscriptions …`: imported from files, listed, shown."""
