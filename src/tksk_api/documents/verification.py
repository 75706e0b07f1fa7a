"""The public page that tells whoever receives an SKTM letter whether it is genuine and still in force."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Literal

from tksk_api.domain.sktm_letters.content import PublicLetter, SignatureKind, Status, english_date, indonesian_date

Language = Literal["id", "en"]


@dataclass(frozen=True, slots=True)
class Words:
    """The fixed text of one status in one language; `steps` say what to do next, in order."""

    status: str
    meaning: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Labels:
    """The fixed text of the page in one language."""

    title: str
    number: str
    masked_name: str
    purpose: str
    issuer: str
    issued_on: str
    valid_until: str
    revoked_on: str
    superseded_on: str
    signature: str
    next_heading: str
    facts_heading: str
    name_heading: str
    name_help: str
    language: str
    other_language: str
    note: str


_LABELS: dict[Language, _Labels] = {
    "id": _Labels(
        title="Pemeriksaan Surat Keterangan Tidak Mampu (SKTM)",
        number="Nomor surat",
        masked_name="Nama (disamarkan)",
        purpose="Keperluan",
        issuer="Penerbit",
        issued_on="Tanggal terbit",
        valid_until="Berlaku sampai",
        revoked_on="Dicabut pada",
        superseded_on="Diganti pada",
        signature="Tanda tangan",
        next_heading="Langkah berikutnya",
        facts_heading="Isi surat yang tercatat",
        name_heading="Cara mencocokkan nama dengan KTP",
        name_help="Di atas tampak huruf pertama tiap kata; satu bintang (*) menggantikan satu huruf. "
        "Huruf pertama dan jumlah huruf tiap kata harus sama dengan nama di surat dan di KTP.",
        language="Bahasa",
        other_language="English",
        note="Nama disamarkan untuk melindungi data pribadi. SKTM diterbitkan tanpa dipungut biaya.",
    ),
    "en": _Labels(
        title="Check of a certificate of financial hardship (SKTM)",
        number="Letter number",
        masked_name="Name (masked)",
        purpose="Purpose",
        issuer="Issued by",
        issued_on="Issued on",
        valid_until="Valid until",
        revoked_on="Revoked on",
        superseded_on="Replaced on",
        signature="Signature",
        next_heading="What to do next",
        facts_heading="What the register says",
        name_heading="How to compare the name with the identity card (KTP)",
        name_help="Above you see the first letter of each word; each star (*) stands for one letter. "
        "First letters and the number of letters in each word must match the letter and the KTP.",
        language="Language",
        other_language="Bahasa Indonesia",
        note="The name is masked to protect personal data. An SKTM is issued free of charge.",
    ),
}

# What a kind of signature is worth: neither more nor less than the letter itself says.
_SIGNATURES: dict[Language, dict[SignatureKind, str]] = {
    "id": {
        "recorded": "Persetujuan pejabat tercatat dalam sistem; bukan tanda tangan elektronik tersertifikasi",
        "sealed": "Disegel secara elektronik dengan sertifikat kantor penerbit, tersebut dalam panel tanda tangan PDF; "
        "tersertifikasi hanya jika sertifikatnya dari PSrE Indonesia",
        "wet": "Ditandatangani dengan tangan di atas kertas; pindaiannya disimpan penerbit",
    },
    "en": {
        "recorded": "The officials' approval is recorded in the system; not a certified electronic signature",
        "sealed": "Sealed electronically with the issuing office's certificate, named in the PDF's signature panel; "
        "certified only if the certificate is from an Indonesian provider (PSrE)",
        "wet": "Signed by hand on paper; the issuer keeps a scan",
    },
}

_WORDS: dict[Language, dict[Status, Words]] = {
    "id": {
        "valid": Words(
            "BERLAKU",
            "Surat ini tercatat dan masih berlaku.",
            (
                "Bandingkan nama, nomor, dan keperluan di atas dengan surat di tangan Anda.",
                "Cocokkan nama di surat dengan KTP atau KK pembawanya.",
                "Jika ada yang berbeda, jangan terima surat itu dan hubungi penerbit.",
            ),
        ),
        "expired": Words(
            "KEDALUWARSA",
            "Surat ini tercatat, tetapi masa berlakunya sudah habis.",
            (
                "Jangan pakai surat ini untuk layanan baru.",
                "Minta pembawa surat mengurus surat baru di kantor penerbit, gratis.",
            ),
        ),
        "revoked": Words(
            "DICABUT",
            "Surat ini telah dibatalkan oleh penerbitnya.",
            (
                "Jangan terima surat ini.",
                "Hubungi penerbit jika Anda memerlukan penjelasan.",
            ),
        ),
        "superseded": Words(
            "SUDAH DIGANTI",
            "Surat ini tidak berlaku lagi: penerbit sudah menerbitkan surat penggantinya.",
            (
                "Jangan terima surat ini.",
                "Minta pembawa surat menunjukkan surat yang baru, lalu pindai kode QR-nya.",
            ),
        ),
        "not_yet_valid": Words(
            "BELUM BERLAKU",
            "Surat ini tercatat, tetapi masa berlakunya belum mulai.",
            (
                "Terima surat ini mulai tanggal terbit di bawah.",
                "Hubungi penerbit jika tanggal di surat berbeda.",
            ),
        ),
        "unknown": Words(
            "TIDAK DIKENAL",
            "Tidak ada surat yang tercatat dengan kode ini.",
            (
                "Pindai ulang kode QR, atau periksa alamat yang diketik.",
                "Jika hasilnya tetap sama, jangan terima surat itu.",
                "Hubungi kelurahan atau desa yang namanya tertulis pada surat.",
            ),
        ),
    },
    "en": {
        "valid": Words(
            "VALID",
            "This letter is on record and in force.",
            (
                "Compare the name, number and purpose above with the letter in your hand.",
                "Check the name on the letter against the bearer's identity card (KTP) or family card (KK).",
                "If anything differs, do not accept the letter and contact the issuer.",
            ),
        ),
        "expired": Words(
            "EXPIRED",
            "This letter is on record, but its validity has ended.",
            (
                "Do not use this letter for a new service.",
                "Ask the bearer to get a new letter from the issuing office, free of charge.",
            ),
        ),
        "revoked": Words(
            "REVOKED",
            "The issuer has withdrawn this letter.",
            (
                "Do not accept this letter.",
                "Contact the issuer if you need an explanation.",
            ),
        ),
        "superseded": Words(
            "REPLACED",
            "This letter is no longer in force: the issuer has issued another in its place.",
            (
                "Do not accept this letter.",
                "Ask the bearer for the new letter and scan its QR code.",
            ),
        ),
        "not_yet_valid": Words(
            "NOT YET VALID",
            "This letter is on record, but its validity has not begun.",
            (
                "Accept this letter from the date of issue below.",
                "Contact the issuer if the letter shows another date.",
            ),
        ),
        "unknown": Words(
            "UNKNOWN",
            "No letter is on record under this code.",
            (
                "Scan the QR code again, or check the address you typed.",
                "If the result is the same, do not accept the letter.",
                "Contact the village office named on the letter.",
            ),
        ),
    },
}

# Of a letter to be signed by hand: it is on record from the last approval, and it may lie on a desk unsigned.
_AWAITS_SCAN: dict[Language, Words] = {
    "id": Words(
        "BELUM BERLAKU",
        "Surat ini harus ditandatangani dengan tangan. Penerbit belum mencatat bahwa surat bertanda tangan sudah ada.",
        (
            "Jangan terima surat ini dulu, meskipun tanggal terbitnya sudah lewat.",
            "Hubungi penerbit dan minta pindaian surat yang sudah ditandatangani dan dicap dicatat di sistem.",
            "Setelah itu pindai lagi kode QR-nya; terima surat hanya jika tertulis BERLAKU.",
        ),
    ),
    "en": Words(
        "NOT YET VALID",
        "This letter has to be signed by hand. The issuer has not yet recorded that the signed paper is there.",
        (
            "Do not accept this letter yet, even if its date of issue has passed.",
            "Contact the issuer and ask them to record the scan of the signed and stamped letter.",
            "Then scan the QR code again; accept the letter only if it says VALID.",
        ),
    ),
}
_SCAN_MISSING: dict[Language, str] = {
    "id": "Harus ditandatangani dengan tangan di atas kertas; penerbit belum menerima pindaiannya",
    "en": "To be signed by hand on paper; the issuer has no scan of it yet",
}

_BUSY: dict[Language, Words] = {
    "id": Words(
        "TUNGGU SEBENTAR",
        "Terlalu banyak pemeriksaan dari jaringan ini. Surat belum diperiksa.",
        ("Tunggu {seconds} detik, lalu muat ulang halaman ini.",),
    ),
    "en": Words(
        "PLEASE WAIT",
        "Too many checks from this network. The letter has not been checked yet.",
        ("Wait {seconds} seconds, then reload this page.",),
    ),
}

# Each status has its own outline as well as its colour, for readers who see no colour or print in grey.
_HOURGLASS = (
    '<path d="M12 5h24M12 43h24M15 5c0 12 6 15 9 19 3-4 9-7 9-19"/><path d="M15 43c0-12 6-15 9-19 3 4 9 7 9 19"/>'
)
_ICONS: dict[Status, str] = {
    "valid": '<circle cx="24" cy="24" r="21"/><path d="M14 25l7 7 13-15"/>',
    "expired": _HOURGLASS,
    "revoked": '<path d="M16 3h16l13 13v16L32 45H16L3 32V16zM16 16l16 16M32 16L16 32"/>',
    "superseded": '<path d="M4 5h24v30H4zM36 13h8v30H20v-4M10 14l12 12M22 14L10 26"/>',
    "not_yet_valid": '<circle cx="24" cy="24" r="21"/><path d="M24 11v13l9 6"/>',
    "unknown": '<path d="M24 3l21 39H3zM24 18v10M24 34v2"/>',
}

# Text on each colour has a contrast of at least 7.4:1 (WCAG 2.2 AA asks for 4.5:1).
_COLOURS: dict[Status, str] = {
    "valid": "#0b5d33",
    "expired": "#7a4a00",
    "revoked": "#9c1414",
    "superseded": "#7d1f5c",
    "not_yet_valid": "#1d4480",
    "unknown": "#3f4753",
}

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f3f4f6;color:#1a1f26;font:1rem/1.5 system-ui,"Noto Sans",Roboto,Arial,sans-serif}
.page{max-width:34rem;margin:0 auto;background:#fff;min-height:100vh;padding-bottom:1.25rem}
nav{display:flex;justify-content:flex-end;padding:.25rem 1rem}
nav a{display:inline-block;min-height:2.75rem;padding:.6rem .25rem;color:#0b4a8f}
a:focus-visible{outline:3px solid #0b4a8f;outline-offset:2px}
h1{margin:0;padding:0 1rem .75rem;font-size:1rem;font-weight:600}
.status{display:flex;gap:.9rem;align-items:center;padding:1.1rem 1rem;color:#fff;background:var(--c)}
.status svg{flex:none;width:3.5rem;height:3.5rem;fill:none;stroke:#fff;stroke-width:4;stroke-linecap:round;
stroke-linejoin:round}
.status p{margin:0}
.status .word{font-size:1.75rem;font-weight:800;line-height:1.15;letter-spacing:.01em;overflow-wrap:anywhere}
h2{margin:1.1rem 1rem .35rem;font-size:1rem}
ol{margin:0;padding:0 1rem 0 2.25rem}
li{margin:.25rem 0}
main p{margin:0 1rem}
dl{margin:0;padding:0 1rem}
dl div{display:flex;gap:.6rem;align-items:baseline;padding:.4rem 0;border-bottom:1px solid #d5d9df}
dt{flex:0 0 6.5rem;font-size:.875rem;color:#4a5361}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
@media(max-width:22.5rem){dl div{display:block}}
footer{margin:1rem 1rem 0;font-size:.875rem;color:#4a5361}
@media print{@page{margin:1.5cm}body,.page{background:#fff}.page{min-height:0;max-width:none}nav{display:none}
.status{color:#000;background:#fff;border:3px solid #000;break-inside:avoid}.status svg{stroke:#000}
dt,footer{color:#000}}
"""


def render_verification(view: PublicLetter, language: Language) -> str:
    """Give the complete HTML page, under 15 kB for ordinary values, without scripts or requests to anywhere.

    The page links to its other language with a relative `?lang=`. Every value is escaped. Its own content
    policy allows inline style only, and it sends no referrer, since its address holds the letter's token.
    """
    labels = _LABELS[language]
    words = _AWAITS_SCAN[language] if _awaits_scan(view) else _WORDS[language][view.status]
    body, foot = [_steps(words.steps, labels)], ""
    if view.status != "unknown":
        # A letter in force is compared with paper, so its facts come first; any other says first what to do.
        body.insert(0 if view.status == "valid" else 1, _facts(view, labels, language))
        foot = f"<footer>{escape(labels.note)}</footer>\n"
    if view.status == "valid":
        body.append(f"<h2>{escape(labels.name_heading)}</h2>\n<p>{escape(labels.name_help)}</p>\n")
    return page_around(words, language, view.status, "".join(body), foot)


def render_busy(seconds: str, language: Language) -> str:
    """Give the page for whoever has checked too many letters: how long to wait, and that nothing was checked."""
    words = _BUSY[language]
    steps = tuple(step.format(seconds=seconds) for step in words.steps)
    return page_around(words, language, "expired", _steps(steps, _LABELS[language]))


def _awaits_scan(view: PublicLetter) -> bool:
    """Nothing else keeps a letter signed by hand from being valid: it is issued on the day of its last approval."""
    return view.status == "not_yet_valid" and view.signature == "wet"


def _steps(steps: tuple[str, ...], labels: _Labels) -> str:
    return next_steps(steps, labels.next_heading)


def next_steps(steps: tuple[str, ...], heading: str) -> str:
    """What to do, in order."""
    items = "".join(f"<li>{escape(step)}</li>" for step in steps)
    return f"<h2>{escape(heading)}</h2>\n<ol>{items}</ol>\n"


def page_around(  # noqa: PLR0917 - a page from top to bottom
    words: Words, language: Language, looks: Status, body: str, foot: str = "", title: str = ""
) -> str:
    """Give the page around `body`, with the colour and the icon of a status; the title is that of letters, or given."""
    labels = _LABELS[language]
    title = title or labels.title
    other: Language = "en" if language == "id" else "id"
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(words.status)} · {escape(title)}</title>\n"
        f'<style>:root{{--c:{_COLOURS[looks]}}}{_STYLE}</style>\n</head>\n<body>\n<div class="page">\n<header>\n'
        f'<nav aria-label="{escape(labels.language)}"><a href="?lang={other}" hreflang="{other}" lang="{other}">'
        f"{escape(labels.other_language)}</a></nav>\n"
        f"<h1>{escape(title)}</h1>\n</header>\n<main>\n"
        '<div class="status"><svg viewBox="0 0 48 48" aria-hidden="true">'
        f'{_ICONS[looks]}</svg><div><p class="word">{escape(words.status)}</p>'
        f"<p>{escape(words.meaning)}</p></div></div>\n"
        f"{body}</main>\n{foot}</div>\n</body>\n</html>\n"
    )


def _facts(view: PublicLetter, labels: _Labels, language: Language) -> str:
    """List the facts that are known, the one that explains why a letter is not in force first."""
    valid_until = (labels.valid_until, day_of(view.valid_until, language), language)
    issued_on = (labels.issued_on, day_of(view.issued_on, language), language)
    signature = _SIGNATURES[language][view.signature] if view.signature else None
    signed = (labels.signature, _SCAN_MISSING[language] if _awaits_scan(view) else signature, language)
    rows = [
        (labels.masked_name, view.masked_name, "id"),
        (labels.number, view.number, "id"),
        (labels.purpose, view.purpose, language),
        issued_on,
        valid_until,
        (labels.issuer, view.issuer, "id"),
        signed,
    ]
    first = {
        "expired": valid_until,
        "revoked": (labels.revoked_on, day_of(view.revoked_on, language), language),
        "superseded": (labels.superseded_on, day_of(view.superseded_on, language), language),
        "not_yet_valid": signed if _awaits_scan(view) else issued_on,
    }.get(view.status)
    if first is not None:
        rows = [first, *(row for row in rows if row is not first)]
    return facts_list(rows, labels.facts_heading, language)


def facts_list(rows: Sequence[tuple[str, str | None, str]], heading: str, language: Language) -> str:
    """Give `(label, value, language of the value)` as a list; what has no value is left out."""
    items = "".join(
        f"<div><dt>{escape(label)}</dt><dd{spoken_in(spoken, language)}>{breakable(value)}</dd></div>\n"
        for label, value, spoken in rows
        if value
    )
    return f"<h2>{escape(heading)}</h2>\n<dl>\n{items}</dl>\n"


def breakable(value: str) -> str:
    """A long number breaks after a slash, not in the middle of a year."""
    return "<wbr>".join(escape(part) for part in re.split("(?<=/)(?=.)", value))


def spoken_in(spoken: str, language: Language) -> str:
    """Mark a value in another language than the page's, so that a screen reader pronounces it rightly."""
    return "" if spoken == language else f' lang="{spoken}"'


def day_of(value: date | None, language: Language) -> str | None:
    """A day as people write it."""
    if value is None:
        return None
    return indonesian_date(value) if language == "id" else english_date(value)
