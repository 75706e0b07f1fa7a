"""Certificates by which offices seal letters."""
