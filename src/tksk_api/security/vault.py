"""What is kept of one person under a key of their own, so that destroying the key destroys all of it."""

import os
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tksk_api.security.crypto import NONCE_BYTES, SUBJECT_SEALED, KeyFileError, Keyring

WRAPPED = "subject_keys.wrapped"


@dataclass(frozen=True)
class Vault:
    """Seals and opens one person's values.

    New ones are sealed by the person's own 256-bit key (AES-256-GCM, version byte 0x02, bound to `table.column`, row
    and person). Values from before people had keys are opened by the master key that wrote them. Without a key
    nothing sealed by it can be opened.
    """

    keyring: Keyring
    subject: str
    key: bytes | None = field(repr=False)

    @classmethod
    def new(cls, keyring: Keyring, subject: str) -> "Vault":
        return cls(keyring, subject, secrets.token_bytes(32))

    @classmethod
    def opened(cls, keyring: Keyring, subject: str, wrapped: bytes | None) -> "Vault":
        """The vault of a stored key. Raises KeyFileError when no master key of the file wrapped it."""
        return cls(keyring, subject, keyring.decrypt(WRAPPED, subject, wrapped) if wrapped is not None else None)

    @property
    def wrapped(self) -> bytes:
        """The key as it is stored: encrypted by the present master key, whose number the blob names."""
        return self.keyring.encrypt(WRAPPED, self.subject, self._key())

    def seal(self, purpose: str, row: str, plain: bytes) -> bytes:
        """`purpose` is `table.column`."""
        nonce = os.urandom(NONCE_BYTES)
        return SUBJECT_SEALED + nonce + AESGCM(self._key()).encrypt(nonce, plain, self._bound(purpose, row))

    def open(self, purpose: str, row: str, sealed: bytes) -> bytes:
        """Raises KeyFileError for another row's or person's value, a changed byte, or a destroyed key."""
        if sealed[:1] != SUBJECT_SEALED:
            return self.keyring.decrypt(purpose, row, sealed)
        nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return AESGCM(self._key()).decrypt(nonce, body, self._bound(purpose, row))
        except (InvalidTag, ValueError) as error:
            raise KeyFileError(f"{purpose} of this row cannot be decrypted with this person's key") from error

    def _key(self) -> bytes:
        if self.key is None:
            raise KeyFileError("this person has no key, or it was destroyed")
        return self.key

    def _bound(self, purpose: str, row: str) -> bytes:
        return f"{purpose}|{row}|{self.subject}".encode()
