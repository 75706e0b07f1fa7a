"""The `tksk` command: serve, demo, migrate, regions, users, keys, audit, openapi, doctor."""

from tksk_api.cli.app import app

__all__ = ["app"]
