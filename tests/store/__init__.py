"""The store on a real PostgreSQL: connections, transactions, lists, round trips, numbers, what the database refuses."""
