"""Collecting what is owed, and what becomes of money that came: plans, outcomes, refunds, disputes, reversals."""
