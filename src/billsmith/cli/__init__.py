"""Commands: open a Context through wiring, call one action, print."""
