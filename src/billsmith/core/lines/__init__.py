"""The lines of a document: from what a caller gives to figures, and how each came about."""
