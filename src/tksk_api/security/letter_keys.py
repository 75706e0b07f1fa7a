"""The keys that sign what a letter's QR code says, so that it can be checked without us (Ed25519, RFC 8032)."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_ID_BYTES = 4
MAX_AGE_SECONDS = 86_400
PUBLISH_SECONDS = MAX_AGE_SECONDS + 3600
_KEY_BYTES = 32


class LetterKeyError(RuntimeError):
    """The keys were left as they are; the text says why and what to do."""


@dataclass(frozen=True)
class LetterKey:
    """One key pair; its id is the beginning of the public key's SHA-256.

    It signs from `signs_from` (Unix seconds; None: since ever) until a newer key does. The private half is destroyed
    when its successor has taken over; the public one stays published, for letters are shown for years.
    """

    public: bytes
    seed: bytes | None
    signs_from: int | None = None

    @classmethod
    def generate(cls, signs_from: int | None = None) -> "LetterKey":
        private = Ed25519PrivateKey.generate()
        return cls(private.public_key().public_bytes_raw(), private.private_bytes_raw(), signs_from)

    @classmethod
    def of_entry(cls, entry: dict[str, Any]) -> "LetterKey":
        """A key as the key file holds it. Raises KeyError, TypeError or ValueError for what is none."""
        public, starts = _decoded(entry["public"]), entry.get("signs_from")
        seed = _decoded(entry["private"]) if "private" in entry else None
        if starts is not None and type(starts) is not int:
            raise TypeError("times are whole Unix seconds")
        if seed is not None and Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() != public:
            raise ValueError("the two halves do not belong together")
        return cls(public, seed, starts)

    def entry(self) -> dict[str, Any]:
        """As the key file holds it."""
        members = {
            "kid": self.kid,
            "public": _encoded(self.public),
            "private": _encoded(self.seed) if self.seed is not None else None,
            "signs_from": self.signs_from,
        }
        return {name: value for name, value in members.items() if value is not None}

    @cached_property
    def kid(self) -> str:
        return hashlib.sha256(self.public).digest()[:KEY_ID_BYTES].hex()

    @property
    def jwk(self) -> dict[str, str]:
        """The public half (RFC 8037)."""
        public = _encoded(self.public)
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": public}

    def sign(self, message: bytes) -> bytes:
        assert self.seed is not None
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this key made this signature of this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def published_keys(document: Any) -> dict[str, bytes]:
    """Key id -> public key of a key set as we publish it. Raises ValueError for anything else."""
    try:
        keys = {jwk["kid"]: _decoded(jwk["x"]) for jwk in document["keys"] if jwk["crv"] == "Ed25519"}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a set of letter keys") from error
    if not keys:
        raise ValueError("no letter key in it")
    return keys


def signing_at(keys: Sequence[LetterKey], now: float) -> LetterKey | None:
    """The key that signs at this moment: the last that began and still has its private half."""
    begun = [key for key in keys if key.seed is not None and (key.signs_from or 0) <= now]
    return max(begun, key=lambda key: key.signs_from or 0) if begun else None


def rotated(keys: Sequence[LetterKey], now: int, publish_seconds: int) -> list[LetterKey]:
    """The keys with one more, which is published now and signs later; the very first one signs at once.

    Private halves whose successor has taken over are dropped. Raises LetterKeyError while a rotation is under way.
    """
    present = signing_at(keys, now)
    waiting = [key for key in keys if key.seed is not None and (key.signs_from or 0) > now]
    if waiting:
        raise LetterKeyError(
            f"Key {waiting[0].kid} is published and signs in {(waiting[0].signs_from or 0) - now} seconds; rotate then."
        )
    kept = [key if key is present else replace(key, seed=None) for key in keys]
    return [*kept, LetterKey.generate(now + publish_seconds if present is not None else now)]


def revoked(keys: Sequence[LetterKey], kid: str, now: int) -> list[LetterKey]:
    """The keys without this one: its letters can be checked on the page only. Another signs at once.

    Raises LetterKeyError when there is no such key.
    """
    left = [key for key in keys if key.kid != kid]
    if len(left) == len(keys):
        raise LetterKeyError(f"There is no key {kid}; there are {', '.join(key.kid for key in keys) or 'none'}.")
    if signing_at(left, now) is None:
        waiting = [key for key in left if key.seed is not None]
        left = [key for key in left if key not in waiting]
        left.append(replace(waiting[0], signs_from=now) if waiting else LetterKey.generate(now))
    return left


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(raw) != _KEY_BYTES:
        raise ValueError("a key has 32 bytes")
    return raw
