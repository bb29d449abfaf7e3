"""Verbs on subscriptions: each `…_in` with a connection of the caller's, so that it can be tried and rolled back."""
