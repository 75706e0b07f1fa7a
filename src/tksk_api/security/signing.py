"""The keys that sign our tokens: how they are followed while running, rotated, and revoked in an emergency."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jose.backends import ECKey

from tksk_api.security.crypto import KeyFileError, SigningKey, edit_key_file, load_key_file
from tksk_api.security.jose import ALGORITHM, CLOCK_TOLERANCE_SECONDS
from tksk_api.telemetry import log

JWKS_MAX_AGE_SECONDS = 300
PUBLISH_SECONDS = JWKS_MAX_AGE_SECONDS + 60
_LOOK_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.2  # for a key nobody knows: at once, but a flood of them costs five looks a second


class RotationRefusedError(RuntimeError):
    """The signing keys were left as they are; the text says why and what to do."""


class SigningKeys:
    """The signing keys of a running process. It looks at the key file now and then, so nothing needs a restart.

    A key file that cannot be read any more is logged, and the keys known so far are kept. Without a path they stay.
    """

    def __init__(self, keys: Sequence[SigningKey], path: Path | None = None) -> None:
        self._path = path
        self._stamp: object = None
        self._refused: object = None
        self._looked = -math.inf
        self._take(keys)

    def current(self) -> SigningKey:
        """The key that signs now."""
        self._look(_LOOK_SECONDS)
        return signing_at(self._keys, time.time())

    def verifier(self, kid: str) -> ECKey | None:
        """The public key of this id; None when there is none, or its time is over."""
        self._look(_LOOK_SECONDS)
        if kid not in self._verifiers:
            self._look(_LOOK_AGAIN_SECONDS)
        key, until = self._verifiers.get(kid, (None, 0.0))
        return key if time.time() < until else None

    @property
    def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517): every key that verifies, the one that will sign next included."""
        self._look(_LOOK_SECONDS)
        now = time.time()
        return {"keys": [key.jwk for key in self._keys if now < _until(key)]}

    def _look(self, gap_seconds: float) -> None:
        now = time.monotonic()
        if self._path is None or now - self._looked < gap_seconds:
            return
        self._looked = now
        try:
            status = self._path.stat()
            stamp: object = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
            if stamp == self._stamp:
                return
            self._take(load_key_file(self._path).signing)
            self._stamp = stamp
        except (KeyFileError, OSError) as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, KeyFileError) else type(error).__name__
        if reason != self._refused:
            log.error("key_file_refused", reason=reason)
        self._refused = reason

    def _take(self, keys: Sequence[SigningKey]) -> None:
        self._keys = tuple(keys)
        self._verifiers = {key.kid: (ECKey(key.jwk, ALGORITHM), _until(key)) for key in keys}
        self._refused = None


def _until(key: SigningKey) -> float:
    return math.inf if key.verifies_until is None else key.verifies_until


def _start(key: SigningKey) -> int:
    return key.signs_from or 0


def signing_at(keys: Sequence[SigningKey], now: float) -> SigningKey:
    """The key that signs at this moment: the last that began; before any has, the first that will."""
    begun = [key for key in keys if _start(key) <= now]
    return max(begun, key=lambda key: (_start(key), _until(key))) if begun else min(keys, key=_start)


def rotated(keys: Sequence[SigningKey], now: int, publish_seconds: int, lifetime_seconds: int) -> list[SigningKey]:
    """The keys with one more, which is published now and signs when every copy of the key set is as young as it.

    The present key verifies until the last token it may have signed has expired; keys past that are dropped.
    Raises RotationRefusedError while an earlier rotation is still under way.
    """
    waiting = [key for key in keys if _start(key) > now]
    if waiting:
        raise RotationRefusedError(
            f"Key {waiting[0].kid} is published and signs in {_start(waiting[0]) - now} seconds; rotate after that, "
            f"or revoke it."
        )
    fresh = SigningKey.generate(now + publish_seconds)
    last = now + publish_seconds + lifetime_seconds + CLOCK_TOLERANCE_SECONDS
    kept = [key if key.verifies_until else replace(key, verifies_until=last) for key in keys if now < _until(key)]
    return [*kept, fresh]


def revoked(keys: Sequence[SigningKey], kid: str, now: int) -> list[SigningKey]:
    """The keys without this one, whatever it signed; the next one signs at once. Raises RotationRefusedError."""
    gone = next((key for key in keys if key.kid == kid), None)
    if gone is None:
        raise RotationRefusedError(f"There is no key {kid}; there are {', '.join(key.kid for key in keys)}.")
    left = [key for key in keys if key is not gone]
    if gone is not signing_at(keys, now):
        # Was it waiting to sign, then the present key stays without a successor.
        present = signing_at(keys, now)
        return [replace(key, verifies_until=None) if key is present and _start(gone) > now else key for key in left]
    waiting = [key for key in left if _start(key) > now]
    if waiting:
        return [replace(key, signs_from=now) if key is waiting[0] else key for key in left]
    return [*left, SigningKey.generate(now)]


def rotate_signing_key(path: Path, publish_seconds: int, lifetime_seconds: int) -> SigningKey:
    """Add a signing key to the key file and return it. Raises KeyFileError, RotationRefusedError."""
    return _edit(path, lambda keys: rotated(keys, int(time.time()), publish_seconds, lifetime_seconds))[-1]


def revoke_signing_key(path: Path, kid: str) -> SigningKey:
    """Take a signing key out of the key file and return the one that signs now. Raises as `rotate_signing_key`."""
    return signing_at(_edit(path, lambda keys: revoked(keys, kid, int(time.time()))), time.time())


def _edit(path: Path, change: Any) -> list[SigningKey]:
    keys: list[SigningKey] = []

    def signing(content: dict[str, Any]) -> None:
        keys.extend(change([SigningKey.of_entry(entry) for entry in content["signing"]]))
        content["signing"] = [key.entry() for key in keys]

    edit_key_file(path, signing)
    return keys
