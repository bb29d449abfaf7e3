"""Subscriptions: their timeline of dated changes, and what it means for every day."""
