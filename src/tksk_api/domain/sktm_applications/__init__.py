"""Applications for an SKTM and their way to the signature."""
