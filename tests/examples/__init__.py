"""The examples do what they say, against a server of their own."""
