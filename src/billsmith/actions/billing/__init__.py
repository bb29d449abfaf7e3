"""Billing customers for what their subscriptions make due: one at once, many in a run, or none of it, as a preview."""
