"""The master keys by number: the newest encrypts, each decrypts what it once wrote."""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

MASTER_BYTES = 32
_LARGEST_NUMBER = 0xFFFF  # a ciphertext names its master key in two bytes


def masters_in(content: Mapping[str, Any]) -> dict[int, bytes]:
    """The master keys of a key file; the single `master` of the first release is number 1.

    Raises KeyError, ValueError or TypeError for what is none.
    """
    entries = content["masters"] if "masters" in content else {"1": content["master"]}
    keys = {int(number): base64.b64decode(key, validate=True) for number, key in dict(entries).items()}
    if not keys or any(not 0 < number <= _LARGEST_NUMBER for number in keys):
        raise ValueError("master keys are numbered from 1")
    if any(len(key) != MASTER_BYTES for key in keys.values()):
        raise ValueError("a master key has 32 bytes")
    return keys


def lookup_root_in(content: Mapping[str, Any]) -> bytes:
    """What the blind indexes and MACs are derived from. It is master key 1, kept apart once there are others.

    Raises as `masters_in`.
    """
    if "index" not in content:
        return masters_in(content)[1]
    root = base64.b64decode(content["index"], validate=True)
    if len(root) != MASTER_BYTES:
        raise ValueError("the index key has 32 bytes")
    return root


class Masters:
    """The master keys of a key file, as it is now: a rotation in another process is noticed without a restart.

    The file is looked at before encrypting, and read again for a number that is not known. One that cannot be read
    changes nothing.
    """

    def __init__(self, keys: Mapping[int, bytes], path: Path | None = None) -> None:
        self._keys = dict(keys)
        self._path = path
        self._seen = self._stamp()

    def numbers(self) -> list[int]:
        """All there are at this moment, the newest last."""
        if self._stamp() != self._seen:
            self._read()
        return sorted(self._keys)

    def newest(self) -> int:
        """The number of the key that encrypts."""
        return self.numbers()[-1]

    def key(self, number: int) -> bytes:
        """Raises KeyError when the file does not hold it either."""
        if number not in self._keys:
            self._read()
        return self._keys[number]

    def _read(self) -> None:
        if self._path is None:
            return
        with suppress(OSError, ValueError, KeyError, TypeError):
            seen = self._stamp()  # before reading: a change in between is then noticed the next time
            self._keys = masters_in(json.loads(self._path.read_text(encoding="utf-8")))
            self._seen = seen

    def _stamp(self) -> tuple[int, int, int] | None:
        with suppress(OSError, AttributeError):
            found = self._path.stat()  # type: ignore[union-attr]
            return found.st_ino, found.st_mtime_ns, found.st_size
        return None
