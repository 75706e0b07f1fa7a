"""Keys, and the encryption and blind index of identity numbers."""

import base64
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tksk_api.security.letter_keys import LetterKey
from tksk_api.security.masters import MASTER_BYTES, Masters, lookup_root_in, masters_in

# The first byte of a ciphertext says what sealed it. 0x01: master key 1, as the first release wrote it; it stays
# readable for ever. 0x02: a person's own key (security/vault.py). 0x03: the master key named by the next two bytes.
FIRST_MASTER_SEALED, SUBJECT_SEALED, MASTER_SEALED = b"\x01", b"\x02", b"\x03"
NONCE_BYTES = 12


class KeyFileError(RuntimeError):
    """The key file is missing, open to others, or cannot read what it once wrote."""


@dataclass(frozen=True)
class SigningKey:
    """An ES256 key pair and the id under which its public half is published.

    Unix seconds: it signs from `signs_from` (None: since ever) until a newer key does, and verifies what it signed
    until `verifies_until` (None: it has no successor yet).
    """

    kid: str
    private_pem: str
    signs_from: int | None = None
    verifies_until: int | None = None

    @classmethod
    def generate(cls, signs_from: int | None = None) -> "SigningKey":
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        return cls(hashlib.sha256(pem.encode()).hexdigest()[:16], pem, signs_from)

    @classmethod
    def of_entry(cls, entry: dict[str, Any]) -> "SigningKey":
        """A key as the file holds it. Raises KeyError, TypeError, ValueError or KeyFileError for what is none."""
        members = dict(entry)
        times = (members.get("signs_from"), members.get("verifies_until"))
        if not all(time is None or type(time) is int for time in times):
            raise TypeError("times are whole Unix seconds")
        key = cls(str(members["kid"]), members["private_pem"], *times)
        _ = key.public_numbers  # a broken key is noticed here, not by the first token
        return key

    def entry(self) -> dict[str, Any]:
        """As the key file holds it: times that are not set are left out."""
        members = {
            "kid": self.kid,
            "private_pem": self.private_pem,
            "signs_from": self.signs_from,
            "verifies_until": self.verifies_until,
        }
        return {name: value for name, value in members.items() if value is not None}

    @cached_property
    def public_numbers(self) -> tuple[int, int]:
        private = serialization.load_pem_private_key(self.private_pem.encode(), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise KeyFileError("signing keys are P-256 keys")
        numbers = private.public_key().public_numbers()
        return numbers.x, numbers.y

    @property
    def jwk(self) -> dict[str, str]:
        x, y = (base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for n in self.public_numbers)
        return {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y}


@dataclass(frozen=True)
class Keyring:
    """All secrets of an installation. Keys are derived by HKDF-SHA-256 (RFC 5869), one per purpose.

    `masters` encrypt, and can be rotated; `lookup_root` makes the blind indexes and MACs, which are compared with what
    was stored years ago and so stay (docs/decisions/0008-privacy.md).
    """

    masters: Masters
    lookup_root: bytes
    signing: tuple[SigningKey, ...]
    letters: tuple[LetterKey, ...] = ()

    def encrypt(self, purpose: str, row: str, plain: bytes) -> bytes:
        """AES-256-GCM; purpose (`table.column`) and row id are bound in, so ciphertexts cannot be swapped."""
        number, nonce = self.masters.newest(), os.urandom(NONCE_BYTES)
        sealed = self._cipher(number, purpose).encrypt(nonce, plain, self._bound(purpose, row, number))
        return master_prefix(number) + nonce + sealed

    def decrypt(self, purpose: str, row: str, sealed: bytes) -> bytes:
        """Raises KeyFileError for another row's ciphertext, another key or a changed byte."""
        if sealed[:1] == FIRST_MASTER_SEALED:
            number, rest = 1, sealed[1:]
        elif sealed[:1] == MASTER_SEALED:
            number, rest = int.from_bytes(sealed[1:3], "big"), sealed[3:]
        else:
            raise KeyFileError(f"{purpose} of this row was not encrypted by a master key")
        nonce, body = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
        try:
            return self._cipher(number, purpose).decrypt(nonce, body, self._bound(purpose, row, number))
        except KeyError as error:
            raise KeyFileError(f"TKSK_KEY_FILE has no master key {number}") from error
        except (InvalidTag, ValueError) as error:
            raise KeyFileError(f"{purpose} of this row cannot be decrypted with this key") from error

    def blind_index(self, purpose: str, value: str) -> bytes:
        """HMAC-SHA-256, all 32 bytes: equal values meet, nothing else is learnt without the key."""
        return hmac.digest(_derived(self.lookup_root, f"index:{purpose}"), value.encode(), "sha256")

    def mac(self, purpose: str, message: bytes, length: int = 32) -> bytes:
        return hmac.digest(_derived(self.lookup_root, f"mac:{purpose}"), message, "sha256")[:length]

    def _cipher(self, number: int, purpose: str) -> AESGCM:
        return AESGCM(_derived(self.masters.key(number), f"encrypt:{purpose}"))

    @staticmethod
    def _bound(purpose: str, row: str, number: int) -> bytes:
        return f"{purpose}|{row}|{number}".encode()


def master_prefix(number: int) -> bytes:
    """How every ciphertext of this master key begins."""
    return MASTER_SEALED + number.to_bytes(2, "big")


@lru_cache(maxsize=256)
def _derived(root: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=b"tksk-api", info=purpose.encode()).derive(root)


def create_key_file(path: Path) -> None:
    """Write a new key file with mode 0600. Raises FileExistsError: an existing key is never overwritten."""
    content = {
        "masters": {"1": base64.b64encode(secrets.token_bytes(MASTER_BYTES)).decode()},
        "signing": [SigningKey.generate().entry()],
        "letters": [LetterKey.generate().entry()],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)


def edit_key_file(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the key file's content as a whole or not at all; two editors take turns.

    A reader sees the old file or the new one, never a part. Mode 0600 and the owner of the file stay. Raises
    KeyFileError when it cannot be read, and what `change` raises, which leaves the file as it was.
    """
    path = path.resolve()  # a link to a mounted secret stays a link
    with _editing(path):
        load_key_file(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        _replace(path, json.dumps(content))


@contextmanager
def _editing(path: Path) -> Iterator[None]:
    # The folder is locked, not the file: replacing the file would replace the lock with it.
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except FileNotFoundError as error:
        raise KeyFileError("TKSK_KEY_FILE does not exist; make one with `tksk keys init`") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)  # the new name survives a power loss, too
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    owner = path.stat()
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)  # an administrator's shell, a service's file
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()


def load_key_file(path: Path) -> Keyring:
    """Raises KeyFileError when the file is missing, readable by others or incomplete."""
    try:
        mode = path.stat().st_mode
        content = json.loads(path.read_text(encoding="utf-8"))
        keyring = Keyring(
            Masters(masters_in(content), path),
            lookup_root_in(content),
            tuple(SigningKey.of_entry(entry) for entry in content["signing"]),
            tuple(LetterKey.of_entry(entry) for entry in content.get("letters", ())),
        )
    except FileNotFoundError as error:
        raise KeyFileError("TKSK_KEY_FILE does not exist; make one with `tksk keys init`") from error
    except OSError as error:
        raise KeyFileError("TKSK_KEY_FILE cannot be read by this user") from error
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError("TKSK_KEY_FILE is not a key file of this system") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError("TKSK_KEY_FILE can be read by others; set its mode to 0600")
    if not keyring.signing:
        raise KeyFileError("TKSK_KEY_FILE is incomplete")
    return keyring
