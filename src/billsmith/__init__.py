"""Billsmith: an open-source billing engine on PostgreSQL. Rooms and flows: ARCHITECTURE.md."""
