"""The store on a real PostgreSQL: connections, transactions, lists, round trips, numbers, and what the database refuses."""
