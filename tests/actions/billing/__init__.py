"""Billing: what runs make of subscriptions, in documents and in the ledger."""
