"""The port to whatever seals letters, and what a seal says of itself."""

import io
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from cryptography import x509
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.errors import DomainError
from tksk_api.security.certificates import fingerprint, name_of

Why = Literal[
    "certificate_missing",
    "certificate_expired",
    "certificate_not_yet_valid",
    "key_unreadable",
    "service_not_configured",
    "service_unreachable",
    "service_refused",
    "credentials_missing",
    "credentials_refused",
    "seal_damaged",
    "seal_untrusted",
]


class Sealer(Protocol):
    """Puts one electronic seal or signature into a finished PDF (PAdES B-B, without a picture on the page).

    `certified`: whether the law holds it for a certified electronic signature (PP 71/2019 Pasal 60 ayat (2)). What can
    go wrong without the PDF went wrong before there was one.
    """

    @property
    def name(self) -> str: ...

    @property
    def certified(self) -> bool: ...

    def seal(self, pdf: bytes, *, reason: str, signers: Sequence[str], at: datetime) -> bytes:
        """The PDF with the seal, appended to the bytes given: they stay what they are. May block: call it in a thread.

        `signers` are the officials who approved the letter, `at` is the moment of the last approval. Raises
        seal_unavailable.
        """
        ...


# Makes the sealer for letters of a village at this moment. Raises seal_unavailable.
Sealing = Callable[[AsyncSession, str, datetime], Awaitable[Sealer]]


def seal_unavailable(why: Why) -> DomainError:
    """The letter is not issued, its number not spent, the application where it was."""
    return DomainError("seal_unavailable", why=why)


def seal_facts(sealer: Sealer, pdf: bytes) -> dict[str, Any]:
    """Whose certificate the seal in the PDF names, as it is kept beside the letter."""
    from pyhanko.pdf_utils.reader import PdfFileReader  # noqa: PLC0415 - a second, for those who seal

    (seal,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    certificate = x509.load_der_x509_certificate(seal.signer_cert.dump())
    return {
        "by": sealer.name,
        "is_certified": sealer.certified,
        "subject": name_of(certificate.subject),
        "issuer": name_of(certificate.issuer),
        "certificate_sha256": fingerprint(certificate).hex(),
    }
