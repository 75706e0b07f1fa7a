"""Figures over many rows, and where evidence disagrees."""
