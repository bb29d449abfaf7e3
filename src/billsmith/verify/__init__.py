"""SQL over raw tables that proves every stored figure. Imports no rule."""
