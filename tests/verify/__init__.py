"""The product's own proof, and the tests' own: both find nothing where all is right, and name what was planted."""
