"""From a file of lines to documents: read once into a spool, grouped, then made by parallel workers."""
