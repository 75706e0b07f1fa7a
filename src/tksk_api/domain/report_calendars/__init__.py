"""When reports are due, and in which order they are acknowledged and accepted: a setting of each region."""
