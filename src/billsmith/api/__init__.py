"""The HTTP API: translates a request in, calls one action, translates what came of it out. No rules here."""
