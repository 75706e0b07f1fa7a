"""Telling people what happened and what waits for them: an inbox for users, an outbox for gateways."""
