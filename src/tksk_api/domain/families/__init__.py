"""Families: who lives together as one, under which card, and how that changed."""
