"""What Billsmith sends to the world: so far, nothing. The one outgoing HTTP client will live here."""
