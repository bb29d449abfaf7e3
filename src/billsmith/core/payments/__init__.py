"""Money that moves through gateways: what became of an operation there."""
