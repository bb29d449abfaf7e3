"""The HTTP API, spoken to over ASGI: conventions first, then one file per family of routes."""
