"""Certificates of offices that do not exist, as PKCS#12 files."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSWORD = "kunci-kantor-2026"
OFFICE = "Kelurahan Srengsem"


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One for all tests of a run: making it is what takes long."""
    return rsa.generate_private_key(65_537, bits)


def certificate(
    key: Any,
    name: str = OFFICE,
    *,
    begins: timedelta = timedelta(days=-10),
    ends: timedelta = timedelta(days=300),
    usage: str | None = "signature",
    for_servers: bool = False,
) -> x509.Certificate:
    """Self-signed; in force from and until so long after now. `usage` is signature, encryption, or None for no word."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Pemerintah Kota Bandar Lampung"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "ID"),
        ]
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
    if usage is not None:
        signs = usage == "signature"
        named = dict.fromkeys(
            ("data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False
        )
        bits = x509.KeyUsage(digital_signature=signs, content_commitment=signs, key_encipherment=not signs, **named)
        made = made.add_extension(bits, critical=True)
    if for_servers:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return made.sign(key, hashes.SHA256())


def p12(key: Any = None, password: str = PASSWORD, *, with_key: bool = True, **over: Any) -> bytes:
    """A file as an office gets it, by default in order."""
    key = key or rsa_key()
    protection = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2048).build(password.encode())
    made = certificate(key, **over)
    if not with_key:
        return pkcs12.serialize_key_and_certificates(b"kantor", None, None, [made], protection)
    return pkcs12.serialize_key_and_certificates(b"kantor", key, made, None, protection)


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body).to_bytes(2, "big")
    return bytes([tag]) + (b"\x82" + size if len(body) > 127 else size[1:]) + body


def with_mac_of_rfc9579(content: bytes, rounds: int) -> bytes:
    """The file with a MAC of PBMAC1, which says 1 where `iterations` stands and `rounds` in its parameters."""
    hmac = _der(0x30, bytes.fromhex("06082a864886f70d0209"), b"\x05\x00")
    derived = _der(0x30, _der(0x04, b"12345678"), _der(0x02, rounds.to_bytes(4, "big")), b"\x02\x01\x20", hmac)
    pbkdf2 = _der(0x30, bytes.fromhex("06092a864886f70d01050c"), derived)
    algorithm = _der(0x30, bytes.fromhex("06092a864886f70d01050e"), _der(0x30, pbkdf2, hmac))
    mac = _der(0x30, _der(0x30, algorithm, _der(0x04, bytes(32))), _der(0x04, b"salt"), b"\x02\x01\x01")
    file = asn1_pkcs12.Pfx.load(content)
    return _der(0x30, b"\x02\x01\x03", file["auth_safe"].dump(), mac)


def asking_for(content: bytes, rounds: int) -> bytes:
    """The file with a MAC that asks for so many rounds and fits no password."""
    file = asn1_pkcs12.Pfx.load(content)
    file["mac_data"]["iterations"] = rounds
    return bytes(file.dump(force=True))


def curve_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())
