"""The public page that tells whoever holds a printed report whether it is the one that was accepted."""

from typing import Literal

from tksk_api.documents.verification import Language, Words, day_of, facts_list, next_steps, page_around
from tksk_api.domain.reports.schemas import ReportVerification
from tksk_api.domain.sktm_letters.content import Status

_TITLE: dict[Language, str] = {"id": "Pemeriksaan laporan TKSK", "en": "Check of a TKSK report"}
_NEXT: dict[Language, str] = {"id": "Langkah berikutnya", "en": "What to do next"}
_FACTS: dict[Language, str] = {"id": "Isi yang tercatat", "en": "What the register says"}
# Each shares its colour and icon with the letters' page.
_LOOKS: dict[str, Status] = {"accepted": "valid", "superseded": "superseded", "unknown": "unknown"}

_WORDS: dict[Language, dict[str, Words]] = {
    "id": {
        "accepted": Words(
            "DITERIMA",
            "Laporan ini tercatat dan diterima.",
            (
                "Bandingkan wilayah, periode, dan revisi di atas dengan laporan di tangan Anda.",
                "Berkas JSON yang asli mempunyai sidik digital SHA-256 di atas.",
                "Jika ada yang berbeda, hubungi dinas sosial yang menerimanya.",
            ),
        ),
        "superseded": Words(
            "SUDAH DIGANTI",
            "Laporan ini pernah diterima; revisi yang lebih baru sudah menggantikannya.",
            ("Minta laporan dengan revisi terbaru, lalu pindai kode QR-nya.",),
        ),
        "unknown": Words(
            "TIDAK DIKENAL",
            "Tidak ada laporan yang diterima dengan kode ini.",
            (
                "Pindai ulang kode QR, atau periksa alamat yang diketik.",
                "Jika hasilnya tetap sama, hubungi dinas sosial yang namanya tertulis pada laporan.",
            ),
        ),
    },
    "en": {
        "accepted": Words(
            "ACCEPTED",
            "This report is on record and was accepted.",
            (
                "Compare the region, period and revision above with the report in your hand.",
                "The genuine JSON file has the SHA-256 digest above.",
                "If anything differs, contact the social service office that accepted it.",
            ),
        ),
        "superseded": Words(
            "REPLACED",
            "This report was accepted; a newer revision has taken its place.",
            ("Ask for the newest revision and scan its QR code.",),
        ),
        "unknown": Words(
            "UNKNOWN",
            "No accepted report is on record under this code.",
            (
                "Scan the QR code again, or check the address you typed.",
                "If the result is the same, contact the social service office named on the report.",
            ),
        ),
    },
}
_LABELS: dict[Language, dict[str, str]] = {
    "id": {
        "region": "Wilayah",
        "period": "Periode",
        "revision": "Revisi",
        "accepted_on": "Diterima pada",
        "superseded_on": "Diganti pada",
        "sha256": "SHA-256",
    },
    "en": {
        "region": "Region",
        "period": "Period",
        "revision": "Revision",
        "accepted_on": "Accepted on",
        "superseded_on": "Replaced on",
        "sha256": "SHA-256",
    },
}


def render_report_verification(view: ReportVerification, language: Language) -> str:
    """Give the complete HTML page: no names, no numbers of the report, no scripts; see documents/verification.py."""
    words, labels = _WORDS[language][view.status], _LABELS[language]
    steps = next_steps(words.steps, _NEXT[language])
    if view.status == "unknown":
        return page_around(words, language, _LOOKS[view.status], steps, title=_TITLE[language])
    spoken: Literal["id", "en"] = language
    rows = [
        (labels["superseded_on"], day_of(view.superseded_on, language), spoken),
        (labels["region"], view.region, "id"),
        (labels["period"], f"{day_of(view.period_start, language)} – {day_of(view.period_end, language)}", spoken),
        (labels["revision"], str(view.revision), spoken),
        (labels["accepted_on"], day_of(view.accepted_on, language), spoken),
        (labels["sha256"], view.sha256, spoken),
    ]
    body = facts_list(rows, _FACTS[language], language) + steps
    return page_around(words, language, _LOOKS[view.status], body, title=_TITLE[language])
