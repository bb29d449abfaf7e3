"""Gateways as somebody else might write them: one awkward and right, three broken."""
