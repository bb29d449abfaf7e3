"""How long periods are, where they begin, and what a piece of one costs."""
