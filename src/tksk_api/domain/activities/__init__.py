"""The officers' work log in four pillars."""
