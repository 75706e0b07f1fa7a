"""Keys, and the encryption and blind index of identity numbers."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_NONCE_BYTES = 12


class KeyFileError(RuntimeError):
    """The key file is missing, open to others, or cannot read what it once wrote."""


@dataclass(frozen=True)
class SigningKey:
    """An ES256 key pair and the id under which its public half is published."""

    kid: str
    private_pem: str

    @cached_property
    def public_numbers(self) -> tuple[int, int]:
        private = serialization.load_pem_private_key(self.private_pem.encode(), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise KeyFileError("signing keys are P-256 keys")
        numbers = private.public_key().public_numbers()
        return numbers.x, numbers.y

    @property
    def jwk(self) -> dict[str, str]:
        x, y = (base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for n in self.public_numbers)
        return {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y}


@dataclass(frozen=True)
class Keyring:
    """All secrets of an installation. Column keys are derived by HKDF-SHA-256 (RFC 5869), one per purpose."""

    master: bytes
    signing: tuple[SigningKey, ...]

    def derive(self, purpose: str) -> bytes:
        return self._derived(purpose)

    def _derived(self, purpose: str) -> bytes:
        cache: dict[str, bytes] = self.__dict__.setdefault("_cache", {})
        if purpose not in cache:
            cache[purpose] = HKDF(hashes.SHA256(), 32, salt=b"tksk-api", info=purpose.encode()).derive(self.master)
        return cache[purpose]

    def encrypt(self, purpose: str, row: str, plain: bytes) -> bytes:
        """AES-256-GCM; purpose (`table.column`) and row id are bound in, so ciphertexts cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self.derive(f"encrypt:{purpose}")).encrypt(nonce, plain, self._bound(purpose, row))
        return _VERSION + nonce + sealed

    def decrypt(self, purpose: str, row: str, sealed: bytes) -> bytes:
        """Raises KeyFileError for another row's ciphertext, another key or a changed byte."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION:
            raise KeyFileError(f"{purpose} of this row was written in another way")
        try:
            return AESGCM(self.derive(f"encrypt:{purpose}")).decrypt(nonce, body, self._bound(purpose, row))
        except InvalidTag as error:
            raise KeyFileError(f"{purpose} of this row cannot be decrypted with this key") from error

    def blind_index(self, purpose: str, value: str) -> bytes:
        """HMAC-SHA-256, all 32 bytes: equal values meet, nothing else is learnt without the key."""
        return hmac.digest(self.derive(f"index:{purpose}"), value.encode(), "sha256")

    def mac(self, purpose: str, message: bytes, length: int = 32) -> bytes:
        return hmac.digest(self.derive(f"mac:{purpose}"), message, "sha256")[:length]

    @staticmethod
    def _bound(purpose: str, row: str) -> bytes:
        return f"{purpose}|{row}|1".encode()


def create_key_file(path: Path) -> None:
    """Write a new key file with mode 0600. Raises FileExistsError: an existing key is never overwritten."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    content = {
        "master": base64.b64encode(secrets.token_bytes(32)).decode(),
        "signing": [{"kid": hashlib.sha256(pem.encode()).hexdigest()[:16], "private_pem": pem}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)


def load_key_file(path: Path) -> Keyring:
    """Raises KeyFileError when the file is missing, readable by others or incomplete."""
    try:
        mode = path.stat().st_mode
        content = json.loads(path.read_text(encoding="utf-8"))
        keyring = Keyring(
            base64.b64decode(content["master"], validate=True),
            tuple(SigningKey(entry["kid"], entry["private_pem"]) for entry in content["signing"]),
        )
    except FileNotFoundError as error:
        raise KeyFileError("TKSK_KEY_FILE does not exist; make one with `tksk keys init`") from error
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError("TKSK_KEY_FILE is not a key file of this system") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError("TKSK_KEY_FILE can be read by others; set its mode to 0600")
    if len(keyring.master) != 32 or not keyring.signing:
        raise KeyFileError("TKSK_KEY_FILE is incomplete")
    return keyring
