"""The guards of the house: rooms, words, sizes, SQL and documents, each shown to fail when it is broken."""
