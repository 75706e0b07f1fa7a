"""The register of an issuer's letter numbers, those without a letter included."""
