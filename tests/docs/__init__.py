"""The documentation says what the code does: its examples are run, its words are looked up."""
