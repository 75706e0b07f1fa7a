"""Counters of requests, shared by all processes."""
