"""The gateway port, the gateways that are built in, and the suite that every gateway passes."""
