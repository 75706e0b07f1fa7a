"""Machine clients of other systems."""
