"""Sealing a finished PDF: by an office's own certificate, or by the e-sign service of the government's authority.

What is appended is one revision with one invisible signature field: PAdES B-B (ETSI EN 319 142-1), SHA-256, no change
allowed afterwards. The bytes before it stay, and the file stays PDF/A-2b: such a field is a widget of no size, which
needs no appearance, and the library carries the metadata of PDF/A over to the new revision.
"""

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.office_certificates.service import sealing_key
from tksk_api.domain.sktm_letters.seals import Sealer, Sealing, seal_unavailable
from tksk_api.security.certificates import SigningKey
from tksk_api.settings import Settings
from tksk_api.telemetry import log

FIELD = "Segel"
# Room for a signature beside the certificates, in the hexadecimal digits it is written in. A size that is known spares
# the library signing once to measure it.
_SIGNATURE_DIGITS = 2 * 4096
# What a service may append: signature, certificates, time stamp and lists of revoked certificates.
_MOST_ADDED = 4 * 1024 * 1024


@dataclass(frozen=True, repr=False)
class OfficeSealer:
    """By the certificate of an office, whose key this system holds: a technical seal. It proves who sealed the file and
    that nothing changed since. It never claims to be a certified electronic signature: that takes a certificate of an
    Indonesian authority (PSrE), which this system cannot tell from others by itself.
    """

    certificate: bytes
    chain: Sequence[bytes]
    key: SigningKey
    name: str = "office_certificate"
    certified: bool = False

    def seal(self, pdf: bytes, *, reason: str, signers: Sequence[str], at: datetime) -> bytes:
        """As the port says; 20 ms with RSA 2048, some 5 more for each certificate of the chain."""
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter  # noqa: PLC0415
        from pyhanko.sign import signers as pades  # noqa: PLC0415
        from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter  # noqa: PLC0415

        metadata = pades.PdfSignatureMetadata(
            field_name=FIELD,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            reason=reason,
            name=", ".join(signers),
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        )
        signer = _dated(pades, at)(metadata, _signer(pades, self))
        room = _SIGNATURE_DIGITS + 2 * sum(map(len, (self.certificate, *self.chain)))
        sealed: Any = signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), bytes_reserved=room)
        result: bytes = sealed.getvalue()
        return result


def _signer(pades: Any, office: OfficeSealer) -> Any:
    """The library's own signer reads and checks the key anew for each letter: 50 ms of the 70."""
    from pyhanko_certvalidator.registry import SimpleCertificateStore  # noqa: PLC0415

    class Signer(pades.Signer):  # type: ignore[misc]
        async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
            assert digest_algorithm == "sha256"
            if isinstance(office.key, rsa.RSAPrivateKey):
                return office.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
            return office.key.sign(data, ec.ECDSA(hashes.SHA256()))

    others: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    others.register_multiple(asn1_x509.Certificate.load(other) for other in office.chain)
    return Signer(signing_cert=asn1_x509.Certificate.load(office.certificate), cert_registry=others)


def _dated(pades: Any, at: datetime) -> Any:
    """The moment in the signature is that of the last approval, which the letter prints."""

    class PdfSigner(pades.PdfSigner):  # type: ignore[misc]
        def init_signing_session(self, *args: Any, **kwargs: Any) -> Any:
            session = super().init_signing_session(*args, **kwargs)
            session.system_time = at
            return session

    return PdfSigner


@dataclass(frozen=True, repr=False)
class Credentials:
    """What an official gives to sign with at BSrE. Never kept, never shown: not even in an error."""

    nik: str
    passphrase: str


@dataclass(frozen=True, repr=False)
class BsreSealer:
    """By BSrE, the government's certificate authority (BSSN): a certified electronic signature of the last signer.

    The shape is that of its e-sign client service, which an office runs in its own network, as public code of many
    offices calls it: `POST /api/sign/pdf`, Basic authentication, multipart with `file`, `nik`, `passphrase` and
    `tampilan=invisible`; the answer is the signed PDF, a refusal is JSON. It was never run against BSrE: there is no
    public test service. What comes back is believed only if it is the letter itself with one intact signature over all
    of it appended (see tests/documents/test_sealing.py), by somebody whom one of the `issuers` (DER) vouches for. Where
    none is known anybody's signature would do, and it is not called certified. `timeout_seconds` is for all of it, the
    last byte of the answer included: an application, a number and a thread wait for it.
    """

    url: str
    auth: tuple[str, str]
    credentials: Credentials
    timeout_seconds: float
    issuers: Sequence[bytes] = ()
    name: str = "bsre"

    @property
    def certified(self) -> bool:
        return bool(self.issuers)

    def seal(self, pdf: bytes, *, reason: str, signers: Sequence[str], at: datetime) -> bytes:
        """As the port says. BSrE takes its own time and reason into the signature."""
        loop = asyncio.new_event_loop()  # of this thread: only what runs in one can be stopped at any point
        try:
            status, content = loop.run_until_complete(asyncio.wait_for(self._ask(pdf), self.timeout_seconds))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            log.warning("bsre_unreachable", kind=type(error).__name__)
            raise seal_unavailable("service_unreachable") from None  # its context would hold the request
        finally:
            loop.close()
        if status != httpx.codes.OK:
            # Its words may repeat what was sent; the number of the refusal does not.
            log.warning("bsre_refused", status=status, code=_code(content))
            raise seal_unavailable(_refusal(status, content))
        if not is_sealed(pdf, content):
            log.warning("bsre_damaged")
            raise seal_unavailable("seal_damaged")
        if self.issuers and not is_vouched_for(content, self.issuers):
            log.warning("bsre_untrusted")
            raise seal_unavailable("seal_untrusted")
        return content

    async def _ask(self, pdf: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; what is longer than any seal is cut off, and then no sealed letter."""
        fields = {"nik": self.credentials.nik, "passphrase": self.credentials.passphrase, "tampilan": "invisible"}
        content = bytearray()
        async with (
            httpx.AsyncClient(auth=self.auth, timeout=self.timeout_seconds, follow_redirects=False) as client,
            client.stream(
                "POST",
                f"{self.url}/api/sign/pdf",
                data=fields,
                files={"file": ("SKTM.pdf", pdf, "application/pdf")},
                headers={"Accept-Encoding": "identity"},
            ) as answer,
        ):
            async for part in answer.aiter_raw():
                content += part
                if len(content) > len(pdf) + _MOST_ADDED:
                    break
        return answer.status_code, bytes(content)


_WRONG_PASSPHRASE = 2031  # as offices that use the service report it; any other refusal is for the administrator


def _code(content: bytes) -> int | None:
    try:
        code = json.loads(content)["status_code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return code if isinstance(code, int) else None


def _refusal(status: int, content: bytes) -> Any:
    if _code(content) == _WRONG_PASSPHRASE:
        return "credentials_refused"
    return "service_unreachable" if status >= httpx.codes.INTERNAL_SERVER_ERROR else "service_refused"


def is_sealed(pdf: bytes, sealed: bytes) -> bool:
    """Whether it is this PDF with one signature appended that is intact and covers all of the file."""
    from pyhanko.pdf_utils.reader import PdfFileReader  # noqa: PLC0415
    from pyhanko.sign.validation import validate_pdf_signature  # noqa: PLC0415
    from pyhanko.sign.validation.status import SignatureCoverageLevel  # noqa: PLC0415
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415

    if not sealed.startswith(pdf):
        return False
    try:
        signatures = PdfFileReader(io.BytesIO(sealed)).embedded_signatures
        if len(signatures) != 1:
            return False
        # Who stands behind the certificate is for the reader's viewer to say: this asks only whether it holds.
        context = ValidationContext(trust_roots=[signatures[0].signer_cert], allow_fetching=False)
        status = validate_pdf_signature(signatures[0], context, skip_diff=True)
    except Exception:  # whatever the library says of a damaged file, it means one thing
        return False
    return status.intact and status.valid and status.coverage is SignatureCoverageLevel.ENTIRE_FILE


def is_vouched_for(sealed: bytes, issuers: Sequence[bytes]) -> bool:
    """Whether one of these (DER) issued the certificate of the one signature in it, directly or by others in the file.

    Nothing is fetched: whether a certificate was revoked is for the reader's viewer to ask.
    """
    from pyhanko.pdf_utils.reader import PdfFileReader  # noqa: PLC0415
    from pyhanko.sign.validation import validate_pdf_signature  # noqa: PLC0415
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415

    roots = [asn1_x509.Certificate.load(der) for der in issuers]
    context = ValidationContext(trust_roots=roots, allow_fetching=False, revocation_mode="soft-fail")
    try:
        (signature,) = PdfFileReader(io.BytesIO(sealed)).embedded_signatures
        return bool(validate_pdf_signature(signature, context, skip_diff=True).trusted)
    except Exception:  # an issuer's name with another kind of key is an AssertionError of the library
        return False


def sealing(settings: Settings, credentials: Credentials | None = None) -> Sealing:
    """What seals letters in this installation, by its settings, for whoever signs now."""
    return _by_bsre(settings, credentials) if settings.sealer == "bsre" else _by_office


async def _by_office(session: AsyncSession, region_code: str, at: datetime) -> Sealer:
    found = await sealing_key(session, region_code, at)
    await asyncio.to_thread(_load_library)
    return OfficeSealer(found.certificate, found.chain, found.key)


def _by_bsre(settings: Settings, credentials: Credentials | None) -> Sealing:
    async def made(_session: AsyncSession, _region_code: str, _at: datetime) -> Sealer:
        if settings.bsre_url is None or settings.bsre_user is None or settings.bsre_password is None:
            raise seal_unavailable("service_not_configured")
        if credentials is None:
            raise seal_unavailable("credentials_missing")
        await asyncio.to_thread(_load_library)
        auth = (settings.bsre_user, settings.bsre_password.get_secret_value())
        issuers = await asyncio.to_thread(_certificates_in, settings.bsre_issuers) if settings.bsre_issuers else []
        return BsreSealer(settings.bsre_url, auth, credentials, settings.bsre_timeout_seconds, issuers)

    return made


def _certificates_in(file: Path) -> list[bytes]:
    """Of a PEM file, as DER. Raises seal_unavailable for one that has none any more: it is not for us to trust all."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise seal_unavailable("service_not_configured") from error
    return [certificate.public_bytes(serialization.Encoding.DER) for certificate in found]


def _load_library() -> None:
    """A second, once in a process, and not while others wait for a number."""
    import pyhanko.sign.signers  # noqa: PLC0415
    import pyhanko.sign.validation  # noqa: F401, PLC0415
