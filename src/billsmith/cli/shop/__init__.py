"""The shop of `billsmith demo`: its year of documents sold, paid in every way there is, and taken back."""
