"""Whatever seals a letter keeps one contract: here all that there are, BSrE's adapter against a service of our own."""

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pypdf
import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from test_letter import letter

from certificates import certificate, curve_key, rsa_key
from helpers import nik
from tksk_api.documents.letter import render_letter
from tksk_api.documents.sealing import FIELD, BsreSealer, Credentials, OfficeSealer, is_sealed, sealing
from tksk_api.domain.sktm_letters.seals import Sealer, seal_facts
from tksk_api.errors import DomainError

PDF_A_2B = {"part": "2", "conformance": "B"}
AT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
SIGNERS = ("Hendra Saputra, S.Sos.", "Yuni Astuti, M.Si.")
PASSPHRASE = "rahasia-lurah-1"


@cache
def unsealed() -> bytes:
    return render_letter(letter(), None)


def office(key: Any = None, chain: int = 0) -> OfficeSealer:
    key = key or rsa_key()
    der = certificate(key).public_bytes(serialization.Encoding.DER)
    others = [certificate(curve_key(), f"Otoritas {n}").public_bytes(serialization.Encoding.DER) for n in range(chain)]
    return OfficeSealer(der, others, key)


class Service(BaseHTTPRequestHandler):
    """What is publicly known of the e-sign client service, signing with a test certificate."""

    behaviour = "signs"
    poured = 0
    office: OfficeSealer | None = None
    seen: list[tuple[str, dict[str, bytes], Message]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
        fields = {p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in parts}
        Service.seen.append((self.path, fields, self.headers))
        answer = getattr(self, f"_{Service.behaviour}")(fields)
        if answer is not None:
            self.answer(*answer)

    def _signs(self, fields: dict[str, bytes]) -> Any:
        if fields["passphrase"] != PASSPHRASE.encode():
            return 400, {"status_code": 2031, "error": f"Passphrase anda salah untuk {fields['nik'].decode()}"}
        return 200, (Service.office or office()).seal(fields["file"], reason="-", signers=["-"], at=datetime.now(UTC))

    def _other_file(self, _fields: dict[str, bytes]) -> Any:
        other = render_letter(letter(number="400.9/999/SRG/VI/2026"), None)
        return 200, office().seal(other, reason="-", signers=["-"], at=AT)

    def _altered(self, fields: dict[str, bytes]) -> Any:
        sealed = bytearray(self._signs(fields)[1])
        place = sealed.index(b"/M (D", len(fields["file"])) + 10  # a digit of the year
        sealed[place] ^= 1
        return 200, bytes(sealed)

    def _unsigned(self, fields: dict[str, bytes]) -> Any:
        return 200, fields["file"]

    def _fails(self, _fields: dict[str, bytes]) -> Any:
        return 503, {"error": "maintenance"}

    def _refuses(self, _fields: dict[str, bytes]) -> Any:
        return 403, b"<html>Forbidden</html>"

    def _hangs_up(self, _fields: dict[str, bytes]) -> None:
        self.connection.close()

    def _drips(self, _fields: dict[str, bytes]) -> None:
        """A byte now and then, of the answer's head too: no single wait is ever long."""
        with suppress(OSError):
            for part in (b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 10, b"Content-Length: 99999\r\n\r\n", *[b"x"] * 10):
                self.connection.sendall(part)
                threading.Event().wait(0.2)

    def _pours(self, fields: dict[str, bytes]) -> None:
        with suppress(OSError):
            self.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + fields["file"])
            for _ in range(64):
                self.connection.sendall(bytes(1 << 20))
                Service.poured += 1 << 20
        self.close_connection = True

    def _sleeps(self, _fields: dict[str, bytes]) -> Any:
        threading.Event().wait(1.5)
        return 200, b""

    def answer(self, status: int, body: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing to the terminal."""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _as_ever() -> None:
    Service.behaviour, Service.seen, Service.poured, Service.office = "signs", [], 0, None


def bsre(url: str, passphrase: str = PASSPHRASE, timeout: float = 5.0) -> BsreSealer:
    return BsreSealer(url, ("tksk", "kata-sandi"), Credentials(nik(), passphrase), timeout)


@pytest.fixture(params=["office_rsa", "office_curve", "office_chain", "bsre"])
def sealer(request: pytest.FixtureRequest, service: str) -> Sealer:
    makers = {
        "office_rsa": office,
        "office_curve": lambda: office(curve_key()),
        "office_chain": lambda: office(chain=6),
        "bsre": lambda: bsre(service),
    }
    made: Sealer = makers[request.param]()
    return made


def sealed_by(sealer: Sealer) -> bytes:
    return sealer.seal(unsealed(), reason="SKTM Nomor 400.9/012/SRG/VI/2026", signers=SIGNERS, at=AT)


# ---- the contract ----------------------------------------------------------------------------------------------------


def test_one_intact_pades_signature_covers_the_whole_letter(sealer: Sealer) -> None:
    sealed = sealed_by(sealer)
    assert sealed.startswith(unsealed())
    assert is_sealed(unsealed(), sealed)
    reader = PdfFileReader(io.BytesIO(sealed))
    (signature,) = reader.embedded_signatures
    status = validate_pdf_signature(
        signature, ValidationContext(trust_roots=[signature.signer_cert], allow_fetching=False)
    )
    assert status.bottom_line
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    assert status.modification_level is ModificationLevel.NONE
    assert status.md_algorithm == "sha256"
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert "/DSS" not in reader.root  # B-B: nothing of revocation or time stamps


def test_the_file_stays_pdf_a_and_shows_no_mark(sealer: Sealer) -> None:
    before, after = (pypdf.PdfReader(io.BytesIO(pdf)) for pdf in (unsealed(), sealed_by(sealer)))
    metadata = after.xmp_metadata
    assert metadata is not None
    claims = metadata.get_nodes_in_namespace("", "http://www.aiim.org/pdfa/ns/id/")
    assert {node.localName: node.nodeValue or node.firstChild.nodeValue for node in claims} == PDF_A_2B
    colours = [pdf.trailer["/Root"]["/OutputIntents"][0].get_object() for pdf in (before, after)]
    assert colours[0]["/DestOutputProfile"].get_data() == colours[1]["/DestOutputProfile"].get_data()
    assert [page.extract_text() for page in after.pages] == [page.extract_text() for page in before.pages]
    form = after.trailer["/Root"]["/AcroForm"]
    (field,) = form["/Fields"]
    widget = field.get_object()
    assert (widget["/T"], list(widget["/Rect"])) == (FIELD, [0, 0, 0, 0])  # of no size: PDF/A asks for no appearance
    assert (widget["/F"] & 4, widget["/F"] & (1 | 2 | 32)) == (4, 0)  # printed, and neither hidden nor invisible
    assert "/NeedAppearances" not in form


def test_what_it_says_of_itself_is_what_the_file_names(sealer: Sealer) -> None:
    facts = seal_facts(sealer, sealed_by(sealer))
    assert (facts["by"], facts["is_certified"]) == (sealer.name, sealer.certified)
    assert facts["subject"] == facts["issuer"] == "Kelurahan Srengsem, Pemerintah Kota Bandar Lampung, ID"
    assert len(bytes.fromhex(facts["certificate_sha256"])) == 32


def test_any_changed_byte_of_the_letter_is_noticed(sealer: Sealer) -> None:
    sealed = bytearray(sealed_by(sealer))
    sealed[len(unsealed()) // 2] ^= 1
    assert not is_sealed(bytes(sealed[: len(unsealed())]), bytes(sealed))


# ---- what only one of them does --------------------------------------------------------------------------------------


def test_the_office_seal_names_the_officials_their_moment_and_the_letter() -> None:
    (signature,) = PdfFileReader(io.BytesIO(sealed_by(office()))).embedded_signatures
    entries = signature.sig_object
    assert (entries["/Name"], entries["/Reason"]) == (", ".join(SIGNERS), "SKTM Nomor 400.9/012/SRG/VI/2026")
    assert signature.self_reported_timestamp == AT
    (reference,) = entries["/Reference"]
    assert reference["/TransformParams"]["/P"] == 1  # no change is allowed afterwards


def test_bsre_is_asked_as_its_users_ask_it(service: str) -> None:
    sealer = bsre(service)
    sealed_by(sealer)
    ((path, fields, headers),) = Service.seen
    assert path == "/api/sign/pdf"
    assert headers["authorization"].startswith("Basic ")
    assert fields == {
        "file": unsealed(),
        "nik": sealer.credentials.nik.encode(),
        "passphrase": PASSPHRASE.encode(),
        "tampilan": b"invisible",
    }
    assert PASSPHRASE not in repr(sealer) and sealer.credentials.nik not in repr(sealer)


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("fails", "service_unreachable"),
        ("hangs_up", "service_unreachable"),
        ("sleeps", "service_unreachable"),
        ("drips", "service_unreachable"),
        ("pours", "seal_damaged"),
        ("refuses", "service_refused"),
        ("unsigned", "seal_damaged"),
        ("altered", "seal_damaged"),
        ("other_file", "seal_damaged"),
    ],
)
def test_a_service_that_fails_is_a_clear_refusal(service: str, behaviour: str, why: str) -> None:
    Service.behaviour = behaviour
    began = time.monotonic()
    with pytest.raises(DomainError) as refusal:
        sealed_by(bsre(service, timeout=0.5 if behaviour in ("sleeps", "drips") else 5.0))
    assert (refusal.value.code, refusal.value.facts) == ("seal_unavailable", {"why": why})
    assert behaviour != "drips" or time.monotonic() - began < 2
    assert Service.poured < 32 << 20


def test_only_what_the_named_authority_vouches_for_is_called_certified(service: str) -> None:
    """The service's own certificate stands in for the authority's; anybody can make one of the same name."""
    assert bsre(service).certified is False
    assert seal_facts(bsre(service), sealed_by(bsre(service)))["is_certified"] is False
    Service.office = office()
    trusted = replace(bsre(service), issuers=(Service.office.certificate,))
    assert seal_facts(trusted, sealed_by(trusted))["is_certified"] is True
    Service.office = office(curve_key())
    with pytest.raises(DomainError) as refusal:
        sealed_by(trusted)
    assert refusal.value.facts == {"why": "seal_untrusted"}


async def test_the_authority_is_read_from_the_file_that_is_named(tmp_path: Path, settings: Any) -> None:
    file = tmp_path / "bsre.pem"
    named = {"sealer": "bsre", "bsre_url": "https://bsre.test", "bsre_user": "tksk", "bsre_password": SecretStr("x")}
    used = settings.model_copy(update={**named, "bsre_issuers": file})
    made: Any = sealing(used, Credentials(nik(), PASSPHRASE))
    file.write_bytes(certificate(rsa_key()).public_bytes(serialization.Encoding.PEM))
    sealer = await made(None, "", AT)
    assert len(sealer.issuers) == 1 and sealer.certified
    file.write_text("")
    with pytest.raises(DomainError) as refusal:
        await made(None, "", AT)
    assert refusal.value.facts == {"why": "service_not_configured"}


def test_nobody_there_is_a_clear_refusal() -> None:
    with pytest.raises(DomainError) as refusal:
        sealed_by(bsre("http://127.0.0.1:9"))
    assert refusal.value.facts == {"why": "service_unreachable"}


def test_a_wrong_passphrase_is_told_without_repeating_anything(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DomainError) as refusal:
        sealed_by(bsre(service, "keliru-sekali"))
    assert refusal.value.facts == {"why": "credentials_refused"}
    said = capsys.readouterr()
    assert "keliru" not in said.out + said.err


def test_threads_seal_at_once() -> None:
    sealer = office()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: sealed_by(sealer), range(8)))
    assert all(is_sealed(unsealed(), sealed) for sealed in made)
