"""The gateway port and its gateways: so far, only the room."""
