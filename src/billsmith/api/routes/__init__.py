"""One module per family of paths: each route translates, calls one action, and shows what came of it."""
