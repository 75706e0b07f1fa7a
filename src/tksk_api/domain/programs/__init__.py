"""Programmes a person can be referred to."""
