"""`tksk keys`: the key file."""

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.security.crypto import create_key_file


def init() -> None:
    """Make TKSK_KEY_FILE with a new master key and signing key, readable by this user only. Never overwrites."""
    path = load_settings().key_file
    try:
        create_key_file(path)
    except FileExistsError:
        stop(f"{path} exists already and was left as it is.")
    console.print(f"{path} made. Back it up apart from the database: without it no identity number can be read.")
