"""The catalogue: what is given, checked, matched, compared."""
