"""Sweeps: loops over actions that work off what has become due."""
