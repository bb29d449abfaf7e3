"""Measurements: `make bench`. What each one measures and how to repeat it: README.md."""
