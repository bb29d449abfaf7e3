"""Core's rules about money that moves, and about what corrects an invoice."""
