"""Kinds of activity: the packaged ones, and those that regions add."""
