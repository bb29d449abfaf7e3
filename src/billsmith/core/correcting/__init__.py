"""Correcting a finalised invoice: credit notes, write-offs, voiding."""
