"""The `tksk` command."""
