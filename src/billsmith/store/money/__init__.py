"""Rows of money: payments, attempts, refunds, corrections, disputes, gateway accounts and methods."""
