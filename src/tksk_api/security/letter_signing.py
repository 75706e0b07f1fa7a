"""The letter keys of a running process, and their rotation in the key file."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tksk_api.security.crypto import KeyFileError, edit_key_file, load_key_file
from tksk_api.security.letter_keys import LetterKey, revoked, rotated, signing_at


class LetterKeys:
    """The letter keys of a running process; it looks whether the key file changed whenever it is asked.

    A key file that cannot be read any more leaves the keys known so far.
    """

    def __init__(self, keys: Sequence[LetterKey], path: Path | None = None) -> None:
        self._keys, self._path, self._stamp = tuple(keys), path, None

    def current(self) -> LetterKey | None:
        """The key that signs now; None in an installation that has made none yet."""
        return signing_at(self._known(), time.time())

    @property
    def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517): every key that ever signed and was not revoked, and the next one."""
        return {"keys": [key.jwk for key in self._known()]}

    def _known(self) -> tuple[LetterKey, ...]:
        if self._path is not None:
            try:
                status = self._path.stat()
                stamp: Any = (status.st_ino, status.st_mtime_ns, status.st_size)
                if stamp != self._stamp:
                    self._keys, self._stamp = load_key_file(self._path).letters, stamp
            except (KeyFileError, OSError):
                pass  # SigningKeys, which reads the same file all the time, complains about it
        return self._keys


def rotate_letter_key(path: Path, publish_seconds: int) -> LetterKey:
    """Add a letter key to the key file and return it. Raises KeyFileError, LetterKeyError."""
    return _edit(path, lambda keys: rotated(keys, int(time.time()), publish_seconds))[-1]


def revoke_letter_key(path: Path, kid: str) -> LetterKey:
    """Take a letter key out of the key file and return the one that signs now. Raises as `rotate_letter_key`."""
    present = signing_at(_edit(path, lambda keys: revoked(keys, kid, int(time.time()))), time.time())
    assert present is not None
    return present


def _edit(path: Path, change: Callable[[Sequence[LetterKey]], list[LetterKey]]) -> list[LetterKey]:
    keys: list[LetterKey] = []

    def letters(content: dict[str, Any]) -> None:
        keys.extend(change([LetterKey.of_entry(entry) for entry in content.get("letters", ())]))
        content["letters"] = [key.entry() for key in keys]

    edit_key_file(path, letters)
    return keys
