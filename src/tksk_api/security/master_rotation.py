"""Adding a master key to the key file, and taking out one that nothing needs any more."""

import base64
import secrets
from pathlib import Path
from typing import Any

from tksk_api.security.crypto import edit_key_file
from tksk_api.security.masters import MASTER_BYTES, lookup_root_in, masters_in


def add_master(path: Path) -> int:
    """Add a new master key, which encrypts from now on, and return its number. Raises KeyFileError.

    What blind indexes and MACs are derived from is written down first, so that look-ups outlive master key 1.
    """
    added = 0

    def change(content: dict[str, Any]) -> None:
        nonlocal added
        keys = masters_in(content)
        added = max(keys) + 1
        content["index"] = _text(lookup_root_in(content))
        content["masters"] = {str(number): _text(key) for number, key in keys.items()}
        content["masters"][str(added)] = _text(secrets.token_bytes(MASTER_BYTES))
        content.pop("master", None)

    edit_key_file(path, change)
    return added


def remove_master(path: Path, number: int) -> None:
    """Take a master key out of the file. Whoever calls this has made sure that nothing needs it."""
    edit_key_file(path, lambda content: content["masters"].pop(str(number)))


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
