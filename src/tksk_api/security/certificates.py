"""Certificates with their private keys, as PKCS#12 files (.p12, .pfx) hold them: opened once, or refused with why."""

import re
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import pkcs12 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tksk_api.errors import invalid

MAX_BYTES = 64 * 1024
MIN_RSA_BITS = 2048
# Deriving the keys of a file is paid by whoever opens it, for each part anew. Files of today ask for some thousands,
# the most careful tools for hundreds of thousands.
_MOST_ROUNDS = 1_000_000
# By RFC 7292. A MAC of RFC 9579 hides how often it hashes where `iterations` does not say it.
_MACS = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_SHOWN = (
    NameOID.COMMON_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.STATE_OR_PROVINCE_NAME,
    NameOID.COUNTRY_NAME,
)
_IDENTITY_NUMBER = re.compile(r"[0-9]{16,}")  # certificates of persons may carry one
_LONGEST_NAME = 300
_OF_SERVERS = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Keystore:
    """A certificate, its private key, and the certificates above it that the file brought along."""

    certificate: x509.Certificate
    key: SigningKey
    chain: tuple[x509.Certificate, ...]

    @property
    def key_type(self) -> str:
        """Such as `RSA 2048` or `EC secp256r1`."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return f"RSA {self.key.key_size}"
        return f"EC {self.key.curve.name}"

    @property
    def is_self_signed(self) -> bool:
        """Nobody but the office itself vouches for it."""
        return self.certificate.issuer == self.certificate.subject

    def key_bytes(self) -> bytes:
        """The private key as PKCS#8 DER, without a password: to be sealed at once."""
        return self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def open_keystore(content: bytes, password: str, now: datetime) -> Keystore:
    """What a PKCS#12 file holds, if it is fit to seal with at this moment.

    Slow on purpose, with all other threads standing still meanwhile, and what an encrypted part asks for nobody sees
    beforehand: the server has it done in a process of its own (domain/office_certificates/keystores.py). Raises
    invalid_request: at /file certificate_unreadable (no PKCS#12 file), certificate_no_key, certificate_not_for_signing
    (by its key usage), certificate_weak_key, certificate_expired, certificate_not_yet_valid; at /password
    certificate_password.
    """
    if not _is_pkcs12(content):
        raise invalid("/file", "certificate_unreadable")
    try:
        key, certificate, chain = pkcs12.load_key_and_certificates(content, password.encode())
    except ValueError as error:
        raise invalid("/password", "certificate_password") from error
    except Exception as error:  # a bag of a kind nobody uses, an algorithm that was taken out of OpenSSL
        raise invalid("/file", "certificate_unreadable") from error
    if key is None or certificate is None:
        raise invalid("/file", "certificate_no_key")
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or _is_weak(key):
        raise invalid("/file", "certificate_weak_key", min=MIN_RSA_BITS)
    if key.public_key() != certificate.public_key():
        raise invalid("/file", "certificate_no_key")
    if not _is_for_signing(certificate):
        raise invalid("/file", "certificate_not_for_signing")
    if now > certificate.not_valid_after_utc:
        raise invalid("/file", "certificate_expired", end=f"{certificate.not_valid_after_utc:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        raise invalid("/file", "certificate_not_yet_valid", start=f"{certificate.not_valid_before_utc:%Y-%m-%d}")
    return Keystore(certificate, key, tuple(chain))


def load_key(der: bytes) -> SigningKey:
    """A private key that was checked when it was taken in; looking at it again would cost 50 ms a letter."""
    key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def name_of(name: x509.Name) -> str:
    """Whose certificate it is, as a person reads it: `Kelurahan Srengsem, Kota Bandar Lampung, ID`."""
    values = [str(entry.value) for oid in _SHOWN for entry in name.get_attributes_for_oid(oid)]
    said = ", ".join(dict.fromkeys(values)) or "-"
    return _IDENTITY_NUMBER.sub("-", "".join(c if c.isprintable() else " " for c in said))[:_LONGEST_NAME]


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the certificate, as every viewer shows it."""
    return certificate.fingerprint(hashes.SHA256())


def _is_pkcs12(content: bytes) -> bool:
    """Whether it has the outer shape of one (RFC 7292) and does not ask for hours to be opened."""
    try:
        file = asn1.Pfx.load(content, strict=True)
        if file["version"].native != "v3":
            return False
        return sum(_rounds(file)) <= _MOST_ROUNDS
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def _rounds(file: asn1.Pfx) -> list[int]:
    """How often each part of the file asks for its key to be hashed. Raises ValueError for a MAC that does not say."""
    found = []
    if file["mac_data"].native:
        if file["mac_data"]["mac"]["digest_algorithm"]["algorithm"].native not in _MACS:
            raise ValueError("a MAC of another kind")
        found.append(file["mac_data"]["iterations"].native)
    for part in file.authenticated_safe:
        if part["content_type"].native == "encrypted_data":
            found.append(part["content"]["encrypted_content_info"]["content_encryption_algorithm"].kdf_iterations)
        elif part["content_type"].native == "data":
            bags = asn1.SafeContents.load(part["content"].native)
            shrouded = (bag for bag in bags if bag["bag_id"].native == "pkcs8_shrouded_key_bag")
            found.extend(bag["bag_value"]["encryption_algorithm"].kdf_iterations for bag in shrouded)
    return found


def _is_weak(key: SigningKey) -> bool:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.key_size < MIN_RSA_BITS
    return not isinstance(key.curve, _CURVES)


def _is_for_signing(certificate: x509.Certificate) -> bool:
    """By its key usage (RFC 5280 §4.2.1.3), where it says; a certificate of a web site is none."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        if not (usage.digital_signature or usage.content_commitment):
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not set(extended) <= _OF_SERVERS
