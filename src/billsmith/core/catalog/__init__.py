"""The catalogue: what is sold, in which phases, at which prices, and the rules for changing between it."""
