"""Home visits and the poverty evidence seen there."""
