"""The HTTP door: translate in, call one action, translate out."""
