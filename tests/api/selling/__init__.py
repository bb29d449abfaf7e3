"""What is sold over HTTP, and who subscribes to it."""
