"""Print the statement of a person's data as a PDF/A-2b file, to be handed to them (UU 27/2022 Pasal 32)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tksk_api.documents.typesetting import line, lines, local_moment, typeset
from tksk_api.domain.privacy_requests.statement import StatedLetter, Statement
from tksk_api.domain.references.lists import LISTS, label
from tksk_api.domain.sktm_letters.content import indonesian_date

_TEMPLATE = Path(__file__).with_name("statement.typ")
_NOTHING = "–"
_STATES = {
    "draft": "draf",
    "planned": "direncanakan",
    "completed": "selesai",
    "submitted": "diajukan",
    "returned": "dikembalikan",
    "checked": "diperiksa",
    "verified": "diverifikasi",
    "signing": "menunggu tanda tangan",
    "issued": "terbit",
    "collected": "diserahkan",
    "rejected": "ditolak",
    "cancelled": "dibatalkan",
    "revoked": "dicabut",
    "received": "diterima",
    "under_review": "ditelaah",
    "documents_requested": "menunggu dokumen",
    "approved": "disetujui",
    "waitlisted": "daftar tunggu",
    "active": "berjalan",
    "ended": "berakhir",
    "fulfilled": "dipenuhi",
    "refused": "ditolak",
}
_REQUESTS = {
    "access": "akses",
    "correction": "perbaikan",
    "restriction": "pembatasan",
    "lift_restriction": "pencabutan pembatasan",
    "erasure": "penghapusan",
}
_REQUESTERS = {"self": "sendiri", "guardian": "wali", "heir": "ahli waris"}
_SEX = {"male": "Laki-laki", "female": "Perempuan"}
_RECORDS = {
    "beneficiaries": "Data diri",
    "visits": "Kunjungan",
    "sktm_applications": "Permohonan SKTM",
    "referrals": "Rujukan",
}
_EMPTY = "(kosong)"
_LIST_OF_FIELD = {
    "nik_status": "nik_statuses",
    "sex": "sexes",
    "relationship": "relationships",
    "ppks_categories": "ppks_categories",
    "outcome": "visit_outcomes",
    "finding": "visit_findings",
    "reasons": "visit_reasons",
    "purpose": "sktm_purposes",
    "program": "programs",
    "consent": "consent",
}
_BY_NOBODY = {"system": "Sistem", "owner": "Pengelola basis data", "machine": "Sistem lain"}


def render_statement(statement: Statement) -> bytes:
    """Print the statement on A4. Text is handed over as data and never read as markup; threads and failures as in
    `typeset`."""
    return typeset(_TEMPLATE, "statement", _view(statement), statement.made_at)


def _view(statement: Statement) -> dict[str, Any]:
    """Give what the template prints: finished strings, in Indonesian, times in the zone of the person's village."""
    zone = ZoneInfo(statement.timezone)
    return {
        "office": line(statement.made_by_office),
        "made_at": local_moment(statement.made_at.astimezone(zone)),
        "name": line(statement.identity.full_name),
        "identity": [(name, lines(value) or _NOTHING) for name, value in _identity(statement, zone)],
        "sections": [
            {
                "title": section.title,
                "widths": [width for _, width in section.columns],
                "header": [name for name, _ in section.columns],
                "rows": [_cells(section, row) for row in section.rows(statement, zone)],
            }
            for section in _SECTIONS
        ],
    }


def _cells(section: "_Section", row: list[str]) -> list[str]:
    # A column of one percent holds about nine tenths of a letter; a longer word may break.
    widths = (width * 9 // 10 for _, width in section.columns)
    return [lines(cell, longest) or _NOTHING for cell, longest in zip(row, widths, strict=True)]


def _identity(statement: Statement, zone: ZoneInfo) -> Iterable[tuple[str, str]]:
    who = statement.identity
    lanes = " / ".join(f"{name} {value}" for name, value in (("RT", who.rt), ("RW", who.rw)) if value)
    yield "Nama", who.full_name
    yield "NIK", who.nik or f"({_said('nik_statuses', who.nik_status)})"
    yield "Nomor KK", who.family_card_number or ""
    yield "Tempat/tanggal lahir", ", ".join(part for part in (who.birth_place, indonesian_date(who.birth_date)) if part)
    yield "Jenis kelamin", _SEX[who.sex]
    yield "Alamat", ", ".join(part for part in (who.street, lanes, who.place) if part)
    yield "Telepon", who.phone or ""
    yield "Hubungan dalam keluarga", _said("relationships", who.relationship)
    yield "Kategori PPKS", "; ".join(_said("ppks_categories", code) for code in who.ppks_categories)
    yield "Catatan", who.notes or ""
    yield "Peringatan", "; ".join(who.warnings)
    if who.deceased_on is not None:
        yield "Meninggal", indonesian_date(who.deceased_on)
    yield "Terdaftar sejak", local_moment(who.registered_at.astimezone(zone))
    if who.restricted_at is not None:
        yield "Pemrosesan dibatasi sejak", local_moment(who.restricted_at.astimezone(zone))
    if who.legal_hold is not None:
        yield "Ditahan demi hukum", who.legal_hold


def _visits(statement: Statement, _zone: ZoneInfo) -> Iterable[list[str]]:
    for visit in statement.visits:
        seen = "; ".join(_evidence(name, value) for name, value in visit.evidence.items() if value is not None)
        place = f"Lokasi {visit.latitude}, {visit.longitude}" if visit.latitude is not None else ""
        result = ", ".join(
            _said(code_list, code)
            for code_list, code in (("visit_outcomes", visit.outcome), ("visit_findings", visit.finding))
            if code
        )
        reasons = "; ".join(_said("visit_reasons", code) for code in visit.reasons)
        yield [_day(visit.visited_on), _STATES[visit.status], result, _joined(visit.notes, reasons, seen, place)]


def _applications(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for application in statement.applications:
        notes = [
            f"{_day(step.at.astimezone(zone))}, {_STATES[step.to_state]}: {step.note}"
            for step in application.steps
            if step.note and step.note != application.recommendation
        ]
        yield [
            _day(application.created_at.astimezone(zone)),
            _said("sktm_purposes", application.purpose)
            + ("" if application.is_applicant else " (Anda sebagai tanggungan)"),
            _STATES[application.status],
            _joined(
                application.purpose_detail,
                f"Ditujukan kepada {application.addressed_to}",
                _letter(application.letter, zone) if application.letter else None,
                f"Rekomendasi: {application.recommendation}" if application.recommendation else None,
                _documents(application.documents),
                *notes,
            ),
        ]


def _letter(letter: StatedLetter, zone: ZoneInfo) -> str:
    revoked = f"dicabut {_day(letter.revoked_at.astimezone(zone))}" if letter.revoked_at else ""
    valid = f"berlaku {_day(letter.issued_on)} s.d. {_day(letter.valid_until)}"
    return ", ".join(part for part in (f"Surat nomor {letter.number}", letter.issuer, valid, revoked) if part)


def _referrals(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for referral in statement.referrals:
        yield [
            _day(referral.created_at.astimezone(zone)),
            _joined(_said("programs", referral.program), referral.agency),
            _STATES[referral.status],
            _joined(
                referral.reason,
                f"Persetujuan: {_said('consent', referral.consent)}",
                f"Nomor instansi {referral.reference_number}" if referral.reference_number else None,
                f"Diputuskan {_day(referral.decided_on)}" if referral.decided_on else None,
                f"Berlaku sejak {_day(referral.active_from)}" if referral.active_from else None,
                f"Berakhir {_day(referral.ended_on)}" if referral.ended_on else None,
                _documents(referral.documents),
            ),
        ]


def _activities(statement: Statement, _zone: ZoneInfo) -> Iterable[list[str]]:
    for activity in statement.activities:
        yield [_day(activity.occurred_on), _said("activity_kinds", activity.kind), activity.title or ""]


def _attachments(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for file in statement.attachments:
        yield [
            _day(file.created_at.astimezone(zone)),
            _said("attachment_kinds", file.kind),
            file.name,
            _joined(
                f"Diambil {_time(file.taken_at.astimezone(zone))}" if file.taken_at else None,
                f"Lokasi {file.latitude}, {file.longitude}" if file.latitude is not None else None,
                f"Ditarik {_day(file.deleted_at.astimezone(zone))}" if file.deleted_at else None,
            ),
        ]


def _requests(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for request in statement.requests:
        yield [
            _day(request.received_on),
            f"{_REQUESTS[request.kind]}, diajukan {_REQUESTERS[request.requested_by]}",
            _STATES[request.status],
            _joined(
                request.reason,
                f"Diputuskan {_day(request.decided_at.astimezone(zone))}" if request.decided_at else None,
                _said("privacy_refusal_reasons", request.reason_code),
                request.note,
            ),
        ]


def _corrections(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for change in statement.corrections:
        hidden = "(tidak disimpan)"
        yield [
            _time(change.at.astimezone(zone)),
            f"{_RECORDS[change.record]}: {_said('personal_fields', change.field)}",
            hidden if change.hidden else _changed(change.field, change.before),
            hidden if change.hidden else _changed(change.field, change.after),
            _role(change.role),
        ]


def _processing(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for done in statement.processing:
        first, last = done.at.astimezone(zone), done.until.astimezone(zone)
        until = f"{last:%H.%M}"
        yield [
            _time(first) if _time(first).endswith(until) else f"{_time(first)} s.d. {until}",
            ", ".join(part for part in (_role(done.role), done.office) if part),
            done.activity + (f" ({done.times} kali)" if done.times > 1 else ""),
            _purpose(done.purpose),
            ", ".join(_said("personal_fields", name) for name in done.fields),
        ]


def _joined(*parts: str | None) -> str:
    return "\n".join(part for part in parts if part)


def _evidence(name: str, value: Any) -> str:
    if name not in LISTS:
        return f"{_said('personal_fields', name)}: {_value(value)}"
    chosen = value if isinstance(value, list) else [value]
    return f"{LISTS[name].title_id}: {', '.join(_said(name, str(code)) for code in chosen)}"


def _documents(documents: list[dict[str, Any]]) -> str:
    said = ", ".join(_said("document_kinds", document["kind"]) for document in documents)
    return f"Dokumen: {said}" if said else ""


def _said(code_list: str, code: str | None) -> str:
    """The Indonesian word of a code; a code that is in no list any more stands for itself."""
    if code is None:
        return ""
    known = any(item.code == code for item in LISTS[code_list].items)
    return label(code_list, code, "id") if known else code


def _purpose(code: str) -> str:
    chosen = _said("reveal_purposes", code)
    return chosen if chosen != code else _said("processing_purposes", code)


def _role(role: str | None) -> str:
    return _BY_NOBODY.get(role or "owner") or _said("roles", role)


def _changed(field: str, value: Any) -> str:
    """One side of a change: codes in words, structures member by member."""
    if field in _LIST_OF_FIELD and value:
        chosen = value if isinstance(value, list) else [value]
        return ", ".join(_said(_LIST_OF_FIELD[field], code) for code in chosen)
    if field == "evidence":
        return "; ".join(_evidence(name, item) for name, item in (value or {}).items()) or _EMPTY
    if field in ("documents", "requested_documents"):
        return ", ".join(_said("document_kinds", document["kind"]) for document in value or ()) or _EMPTY
    if field == "warnings":
        return "; ".join(warning["detail"] for warning in value or ()) or _EMPTY
    return _value(value)


def _value(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return _EMPTY
    if isinstance(value, bool):
        return "ya" if value else "tidak"
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


def _day(day: date) -> str:
    return indonesian_date(day)


def _time(moment: datetime) -> str:
    return f"{moment:%d.%m.%Y %H.%M}"


@dataclass(frozen=True)
class _Section:
    """A table of the statement: its columns with their widths in percent, and the function that gives its rows."""

    title: str
    columns: tuple[tuple[str, int], ...]
    rows: Callable[[Statement, ZoneInfo], Iterable[list[str]]]


_SECTIONS = (
    _Section("Kunjungan rumah", (("Tanggal", 17), ("Status", 14), ("Hasil", 23), ("Catatan dan bukti", 46)), _visits),
    _Section(
        "Permohonan dan Surat Keterangan Tidak Mampu",
        (("Tanggal", 17), ("Keperluan", 20), ("Status", 14), ("Rincian", 49)),
        _applications,
    ),
    _Section("Rujukan", (("Tanggal", 17), ("Program dan instansi", 27), ("Status", 14), ("Rincian", 42)), _referrals),
    _Section("Kegiatan petugas yang menyebut Anda", (("Tanggal", 17), ("Jenis", 30), ("Judul", 53)), _activities),
    _Section("Foto dan dokumen", (("Tanggal", 17), ("Jenis", 26), ("Nama", 31), ("Catatan", 26)), _attachments),
    _Section(
        "Permintaan Anda atas data pribadi",
        (("Tanggal", 17), ("Permintaan", 22), ("Status", 14), ("Rincian", 47)),
        _requests,
    ),
    _Section(
        "Perubahan data",
        (("Waktu", 17), ("Data", 22), ("Semula", 22), ("Menjadi", 22), ("Oleh", 17)),
        _corrections,
    ),
    _Section(
        "Jejak pemrosesan",
        (("Waktu", 17), ("Oleh", 26), ("Yang dilakukan", 24), ("Tujuan", 18), ("Nomor yang dibuka", 15)),
        _processing,
    ),
)
