"""The anchor of a day: the last seal of the access log on one page, to be printed, signed and kept apart."""

import textwrap
from pathlib import Path
from typing import Any

from tksk_api.documents.typesetting import local_moment, typeset
from tksk_api.domain.audit.service import Anchor

_TEMPLATE = Path(__file__).with_name("anchor.typ")
_GROUP, _GROUPS_IN_LINE = 4, 8
_WIDTH, _COLUMN = 88, 46
_WHY_ID = (
    "Setiap pembacaan dan perubahan data pribadi dicatat dalam catatan akses, dan catatan itu disegel berantai. Siapa "
    "pun yang mengubah, menyisipkan atau menghapus satu baris sampai dengan segel ini tidak dapat memperoleh sidik "
    "yang sama. Simpan lembar ini di tempat yang tidak terjangkau oleh pengelola sistem."
)
_WHY_EN = (
    "Every reading and every change of personal data is kept in the access log, and the log is sealed in a chain. "
    "Whoever changes, inserts or deletes a single row up to this seal cannot arrive at the same hash. Keep this page "
    "where those who run the system cannot reach it."
)
_HOW_ID = "Cara memeriksa: jalankan perintah berikut. Jawabannya harus menyatakan bahwa catatan akses utuh."
_HOW_EN = "How to check: run this command. It must answer that the access log is whole."
_SIGNED = (("Nama", "Name"), ("Jabatan", "Position"), ("Tanggal", "Date"), ("Tanda tangan", "Signature"))


def render_anchor(anchor: Anchor) -> bytes:
    """The page as PDF/A on A4; the same seal gives the same bytes."""
    return typeset(_TEMPLATE, "anchor", _view(anchor), anchor.sealed_at)


def anchor_text(anchor: Anchor) -> str:
    """The same page as plain text."""
    view = _view(anchor)
    facts = [f"  {indonesian + ' / ' + english:<{_COLUMN}}{value}" for indonesian, english, value in view["facts"]]
    blanks = [f"  {indonesian + ' / ' + english:<{_COLUMN}}{'_' * 36}" for indonesian, english in view["signed"]]
    paragraphs = (
        "JANGKAR CATATAN AKSES / ANCHOR OF THE ACCESS LOG",
        "\n".join(facts),
        "\n".join(f"      {line}" for line in view["hash"]),
        *(textwrap.fill(sentences, _WIDTH) for sentences in view["why"]),
        "\n".join(textwrap.fill(sentence, _WIDTH) for sentence in view["how"]),
        f"      {view['command']}",
        "\n".join(blanks),
    )
    return "\n\n".join(paragraphs)


def _view(anchor: Anchor) -> dict[str, Any]:
    groups = [anchor.hash.hex()[start : start + _GROUP] for start in range(0, 64, _GROUP)]
    lines = [" ".join(groups[start : start + _GROUPS_IN_LINE]) for start in range(0, len(groups), _GROUPS_IN_LINE)]
    return {
        "facts": [
            ("Segel nomor", "Seal number", str(anchor.number)),
            ("Disegel pada", "Sealed at", f"{local_moment(anchor.sealed_at)} (UTC+7)"),
            ("Jumlah baris sampai segel ini", "Rows so far", f"{anchor.rows:,}".replace(",", ".")),
        ],
        "hash": lines,
        "why": [_WHY_ID, _WHY_EN],
        "how": [_HOW_ID, _HOW_EN],
        "command": f'tksk audit verify --anchor "{" ".join(groups)}"',
        "signed": _SIGNED,
    }
