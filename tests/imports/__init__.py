"""The import: files of every kind, what can't be used, order, crashes, and a real shop's year."""
