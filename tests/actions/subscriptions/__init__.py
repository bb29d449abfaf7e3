"""Verbs on subscriptions: what they store and tell, by themselves and by the clock."""
