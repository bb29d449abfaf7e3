"""`billsmith run`: a billing run for as long as there is something due, on several processes."""
