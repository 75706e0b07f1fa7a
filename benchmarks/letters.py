"""Letters: from data to the signed PDF, looked up by a clerk, and a thousand signed by a job. See README.md."""

import argparse
import asyncio
import dataclasses
import io
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import typst
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from rich.console import Console
from rich.table import Table

import harness
from harness import Bench, BenchmarkError, Load, say
from sktm_issue import VILLAGE, freeze, prepare, require_whole_sequence
from tksk_api.documents import letter as printing
from tksk_api.documents.letter import render_letter
from tksk_api.documents.sealing import OfficeSealer
from tksk_api.domain.sktm_letters.content import LetterContent, Letterhead, Person, Signer

TKSK, BARE = 8911, 8912
FEW = 100
_SELECT = (
    "SELECT number, purpose, masked_name, issuer_name, issued_on, valid_until, revoked_at, superseded_at "
    "FROM sktm_letters WHERE token = $1"
)
_MOMENT = datetime(2026, 6, 3, 7, 5, tzinfo=UTC)
_serial = itertools.count(1)


# ------------------------------------------------------------------------------------------------ data to signed PDF


def content() -> LetterContent:
    """Each letter another one: typst remembers what it has set."""
    number = next(_serial)
    return LetterContent(
        number=f"400.9/{number:03d}/{VILLAGE}/VI/2026",
        issued_on=date(2026, 6, 3),
        valid_until=date(2026, 9, 3),
        letterhead=Letterhead("PEMERINTAH KOTA BANDAR LAMPUNG", "KECAMATAN PANJANG", "KELURAHAN SRENGSEM", None),
        place="Bandar Lampung",
        applicant=Person(f"Siti Rahmawati {number}", f"{number:016d}", "Panjang", date(1991, 3, 25), "female", "Jl. A"),
        dependants=(),
        purpose="Pendidikan",
        purpose_detail=f"Keringanan biaya sekolah {number}",
        addressed_to="Kepala SMP Negeri 30 Bandar Lampung",
        signers=(Signer("Hendra Saputra, S.Sos.", "Lurah Srengsem", "198001012005011003", _MOMENT),),
        verification_url=f"https://tksk.example/verify/{number:032d}",
    )


def bare_compile() -> Callable[[str], bytes]:
    """Typst alone, from strings that are finished before the clock starts."""
    template = Path(printing.__file__).with_name("letter.typ")
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    compiler = typst.Compiler(template, root=template.parent, font_paths=fonts, ignore_system_fonts=True)

    def compile_(inputs: str) -> bytes:
        pdf = compiler.compile(
            format="pdf",
            sys_inputs={"letter": inputs},
            pdf_standards=["a-2b"],
            timestamp=int(_MOMENT.timestamp()),
        )
        assert isinstance(pdf, bytes)
        return pdf

    return compile_


def office() -> tuple[OfficeSealer, signers.SimpleSigner]:
    """One RSA 2048 key, for our sealer and for the library's own signer."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Kelurahan Srengsem")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=365))
        .add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
        .sign(key, hashes.SHA256())
    )
    packed = pkcs12.serialize_key_and_certificates(
        b"kantor", key, certificate, None, serialization.BestAvailableEncryption(b"rahasia")
    )
    signer = signers.SimpleSigner.load_pkcs12_data(packed, [], b"rahasia")
    assert signer is not None
    return OfficeSealer(certificate.public_bytes(serialization.Encoding.DER), (), key), signer


def making(rounds: int, letters: int) -> dict[str, list[float]]:
    """Milliseconds a letter, by way of making it: the ways take turns, each round a few letters of each."""
    compile_, (sealer, signer) = bare_compile(), office()
    metadata = signers.PdfSignatureMetadata(field_name="Segel", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)

    def sealed(one: LetterContent) -> bytes:
        pdf = render_letter(one)
        return sealer.seal(pdf, reason="SKTM", signers=["Hendra Saputra"], at=_MOMENT)

    def bare_and_signed(inputs: Any) -> bytes:
        writer = IncrementalPdfFileWriter(io.BytesIO(compile_(inputs)))
        result: bytes = signers.sign_pdf(writer, metadata, signer=signer).getvalue()
        return result

    def finished(one: LetterContent) -> str:
        return json.dumps(printing._view(one, None))

    ways: Mapping[str, tuple[Callable[[LetterContent], Any], Callable[[Any], bytes]]] = {
        "typst alone": (finished, compile_),
        "data to PDF": (lambda one: one, render_letter),
        "typst and pyHanko alone": (finished, bare_and_signed),
        "data to sealed PDF": (lambda one: dataclasses.replace(one, signature="sealed"), sealed),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first turn only warms up
        for name, (ready, make) in ways.items():
            given = [ready(content()) for _ in range(letters)]
            began = time.perf_counter()
            for one in given:
                assert make(one).startswith(b"%PDF")
            if turn:
                times[name].append(1000 * (time.perf_counter() - began) / letters)
    return times


def report_making(times: Mapping[str, Sequence[float]], console: Console) -> None:
    table = Table(title="one letter, one thread", title_justify="left")
    for heading in ("way", "ms", "of what it stands on"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    below = {"data to PDF": "typst alone", "data to sealed PDF": "typst and pyHanko alone"}
    for name, rounds in times.items():
        ratio = _ratio(rounds, times[below[name]]) if name in below else ""
        table.add_row(name, f"{median(rounds):.1f}", ratio)
    console.print(table)


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    return f"{median(a / b for a, b in zip(ours, theirs, strict=True)):.2f}"


# ------------------------------------------------------------------------------------------------------ verification


async def selecting(url: str, tokens: Sequence[str], seconds: float) -> Load:
    """The one indexed SELECT, prepared, as many at once as the servers get requests."""
    times: list[float] = []
    pool: Any = await asyncpg.create_pool(url, min_size=10, max_size=10)
    async with pool:
        turn, end = itertools.cycle(tokens), time.perf_counter() + seconds

        async def ask() -> None:
            while (began := time.perf_counter()) < end:
                assert await pool.fetchrow(_SELECT, next(turn)) is not None
                times.append(1000 * (time.perf_counter() - began))

        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(harness.CONCURRENCY)))
        took = time.perf_counter() - began
    times.sort()
    return Load(len(times) / took, times[len(times) // 2], times[int(len(times) * 0.99)], len(times), 0)


def verifying(bench: Bench, tokens: Sequence[str], seconds: float, rounds: int) -> dict[str, list[Load]]:
    requests = harness.WORK / "verify.txt"
    requests.write_text("".join(f"GET /verify/{token}\n" for token in tokens), encoding="utf-8")
    asked = {
        "tksk, JSON": (TKSK, {"Accept": "application/json"}),
        "tksk, the page": (TKSK, {"Accept": "text/html"}),
        "starlette": (BARE, {"Accept": "application/json"}),
    }
    loads: dict[str, list[Load]] = {name: [] for name in (*asked, "one SELECT")}
    for turn in range(rounds + 1):
        duration = seconds if turn else 1.0
        for name, (port, headers) in asked.items():
            load = harness.run_load(port, requests, headers, duration)
            loads[name] += [load] if turn else []
        load = asyncio.run(selecting(bench.owner_url, tokens, duration))
        loads["one SELECT"] += [load] if turn else []
    return loads


def report_verifying(loads: Mapping[str, Sequence[Load]], console: Console) -> None:
    table = Table(title=f"verification, concurrency {harness.CONCURRENCY}", title_justify="left")
    for heading in ("asked of", "per second", "of starlette", "of one SELECT", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading == "asked of" else "right")
    rates = {name: [load.per_second for load in rounds] for name, rounds in loads.items()}
    for name, rounds in loads.items():
        p50, p99 = (median(getattr(load, figure) for load in rounds) for figure in ("p50_ms", "p99_ms"))
        ratios = [_ratio(rates[name], rates[other]) for other in ("starlette", "one SELECT")]
        table.add_row(name, f"{median(rates[name]):,.0f}", *ratios, f"{p50:.1f}", f"{p99:.1f}")
    console.print(table)


# ------------------------------------------------------------------------------------------------------------ the job


@dataclasses.dataclass(frozen=True)
class Signed:
    """What signing so many came to; `peak_mb` is the most memory the server held meanwhile."""

    how: str
    letters: int
    seconds: float
    peak_mb: float
    looks: int


def one_by_one(applications: Sequence[tuple[UUID, int]], headers: Mapping[str, str], pid: int) -> Signed:
    _forget_peak(pid)
    began = time.perf_counter()
    for key, version in applications:
        url = f"http://127.0.0.1:{TKSK}/v1/sktm-applications/{key}/sign"
        _, answer = harness.ask(url, {**headers, "If-Match": f'"v{version}"'}, {})
        if answer["status"] != "issued":
            raise BenchmarkError(f"not issued: {answer}")
    return Signed("one by one", len(applications), time.perf_counter() - began, _peak_mb(pid), 0)


def by_job(applications: Sequence[tuple[UUID, int]], headers: Mapping[str, str], pid: int) -> Signed:
    """Asks how far it is twice a second, as a phone would; progress must never go back."""
    items = [{"id": str(key), "version": version} for key, version in applications]
    _forget_peak(pid)
    began = time.perf_counter()
    url = f"http://127.0.0.1:{TKSK}/v1"
    _, job = harness.ask(f"{url}/sktm-applications/sign-many", headers, {"items": items, "confirmed": True})
    seen = [0]
    while job["state"] in ("queued", "running"):
        time.sleep(0.5)
        _, job = harness.ask(f"{url}/jobs/{job['id']}", headers)
        seen.append(job["progress"]["done"])
    if job["state"] != "done" or job["result"]["signed"] != len(items) or seen != sorted(seen):
        raise BenchmarkError(f"the job ended as {job['state']}: {job['error']}, {seen}")
    took = (datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])).total_seconds()
    assert took <= time.perf_counter() - began
    return Signed("by a job", len(items), took, _peak_mb(pid), len(set(seen)) - 1)


def _forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def report_signing(rows: Sequence[Signed], console: Console) -> None:
    table = Table(title="one kelurahan, one signer", title_justify="left")
    for heading in ("signed", "letters", "seconds", "letters/s", "peak MB of the server", "progress seen"):
        table.add_column(heading, justify="left" if heading == "signed" else "right")
    for row in rows:
        rate, looks = f"{row.letters / row.seconds:.1f}", str(row.looks) if row.looks else ""
        table.add_row(row.how, f"{row.letters:,}", f"{row.seconds:.1f}", rate, f"{row.peak_mb:.0f}", looks)
    console.print(table)
    few, many = (row for row in rows if row.how == "by a job")
    console.print(
        f"{many.letters:,} letters instead of {few.letters}: {many.peak_mb - few.peak_mb:+.0f} MB at the peak."
    )


async def _tokens(owner_url: str) -> list[str]:
    connection: Any = await asyncpg.connect(owner_url)
    try:
        return [row["token"] for row in await connection.fetch("SELECT token FROM sktm_letters")]
    finally:
        await connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=1_000, help="signed by the job")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round of verification")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    harness.end_on_signals()
    harness.choose_generator()
    console = Console(width=100) if not sys.stdout.isatty() else Console()
    console.print(f"load average at the beginning: {os.getloadavg()[0]:.1f}")
    report_making(making(max(1, options.rounds), 10), console)
    with ExitStack() as stack:
        bench = stack.enter_context(harness.database())
        count = options.letters + 2 * FEW + 20
        say(f"Preparing {count:,} verified applications")
        (token,) = asyncio.run(prepare(bench, count, 1))
        waiting = asyncio.run(freeze(bench))
        environment = bench.environment | {"TKSK_JOB_SECONDS": "0.05", "TKSK_VERIFICATION_PER_MINUTE": "100000000"}
        command = ("uvicorn", "peers.{}:app", "--no-access-log", "--log-level", "warning", "--port")
        pids = {
            name: stack.enter_context(
                harness.server(name, [*(part.format(name) for part in command), str(port)], environment, port, "/livez")
            )
            for name, port in (("tksk", TKSK), ("bare", BARE))
        }
        headers, pid = {"Authorization": f"Bearer {token}"}, pids["tksk"]
        one_by_one(waiting[:20], headers, pid)  # warms up
        signed = [one_by_one(waiting[20 : 20 + FEW], headers, pid)]
        signed.append(by_job(waiting[20 + FEW : 20 + 2 * FEW], headers, pid))
        signed.append(by_job(waiting[20 + 2 * FEW :], headers, pid))
        asyncio.run(require_whole_sequence(bench.owner_url, count))
        report_signing(signed, console)
        tokens = asyncio.run(_tokens(bench.owner_url))
        report_verifying(verifying(bench, tokens, options.seconds, max(1, options.rounds)), console)
        console.print(f"sequence 1..{count}: no gap, no duplicate; load: {harness.generator_in_use}; errors: none")
    console.print(f"load average at the end: {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")
