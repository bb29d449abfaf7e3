"""Pages for people: so far, only the room."""
