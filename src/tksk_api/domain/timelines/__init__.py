"""Everything about one person, in the order in which it was recorded."""
