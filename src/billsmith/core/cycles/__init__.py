"""Cycles of billing: how long periods are, on which days they begin, and what a piece of one costs."""
