"""Every billing rule, as frozen values and plain functions. No clock, no I/O, no floats."""
