"""Signed-in sessions and their rotating refresh tokens."""
