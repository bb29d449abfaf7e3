"""Verbs that move money, on a real database and against the fake gateway's book."""
