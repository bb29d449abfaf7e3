"""`billsmith catalog …`: the catalogue as a file, in YAML or JSON."""
