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
from tksk_api.domain.visit_forms.forms import said

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
    "open": "menunggu keputusan",
    "accepted": "diterima",
    "outdated": "usang",
    "withdrawn": "ditarik",
    "closed": "berakhir",
    "fulfilled": "dipenuhi",
    "refused": "ditolak",
}
_STEPS = {
    "attach_nik": "NIK dicatat",
    "verify_nik": "NIK diperiksa",
    "correct_nik": "NIK dibetulkan",
    "record_death": "Kematian dicatat",
    "undo_death": "Catatan kematian dibatalkan",
}
_PAIRS = {"open": "belum diputuskan", "dismissed": "orang berbeda", "merged": "orang yang sama"}
_REQUESTS = {
    "access": "akses",
    "correction": "perbaikan",
    "restriction": "pembatasan",
    "lift_restriction": "pencabutan pembatasan",
    "erasure": "penghapusan",
}
_REQUESTERS = {"self": "sendiri", "guardian": "wali", "heir": "ahli waris"}
_SEX = {"male": "Laki-laki", "female": "Perempuan"}
_SIGNED = {
    "recorded": "persetujuan tercatat dalam sistem",
    "sealed": "disegel secara elektronik",
    "wet": "ditandatangani dengan tangan",
}
_RECORDS = {
    "beneficiaries": "Data diri",
    "ppks_assessments": "Kategori PPKS",
    "document_names": "Nama pada dokumen",
    "visits": "Kunjungan",
    "sktm_applications": "Permohonan SKTM",
    "referrals": "Rujukan",
    "family_members": "Keluarga",
}
_EMPTY = "(kosong)"
_LIST_OF_FIELD = {
    "nik_status": "nik_statuses",
    "nik_verified_document": "nik_documents",
    "deceased_source": "death_sources",
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
_CHANNELS = {"whatsapp": "WhatsApp", "sms": "SMS"}
_MESSAGES = {"waiting": "belum dikirim", "sent": "dikirim", "dead": "gagal dikirim", "dropped": "tidak dikirim"}
# What a proposal calls otherwise than the history does.
_FIELDS_PROPOSED = {"address": "street", "village_code": "region_code"}
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
    if who.nik_verified_at is not None:
        against = _said("nik_documents", who.nik_verified_document)
        checked = local_moment(who.nik_verified_at.astimezone(zone))
        yield "NIK diperiksa", f"{checked}, {against}" if against else checked
    yield "Nomor KK", who.family_card_number or ""
    yield "Tempat/tanggal lahir", ", ".join(part for part in (who.birth_place, indonesian_date(who.birth_date)) if part)
    yield "Jenis kelamin", _SEX[who.sex]
    yield "Alamat", ", ".join(part for part in (who.street, lanes, who.place) if part)
    yield "Telepon", who.phone or ""
    if who.message_channel is not None:
        yield "Setuju menerima pesan", _CHANNELS[who.message_channel]
    yield "Hubungan dalam keluarga", _said("relationships", who.relationship)
    yield "Kategori PPKS", "; ".join(_said("ppks_categories", code) for code in who.ppks_categories)
    yield "Catatan", who.notes or ""
    yield "Peringatan", "; ".join(who.warnings)
    if who.deceased_on is not None:
        yield "Meninggal", f"{indonesian_date(who.deceased_on)} ({_said('death_sources', who.deceased_source)})"
    if who.moved_at is not None:
        yield "Pindah terakhir", local_moment(who.moved_at.astimezone(zone))
    yield "Terdaftar sejak", local_moment(who.registered_at.astimezone(zone))
    if who.restricted_at is not None:
        yield "Pemrosesan dibatasi sejak", local_moment(who.restricted_at.astimezone(zone))
    if who.legal_hold is not None:
        yield "Ditahan demi hukum", who.legal_hold


def _families(statement: Statement, _zone: ZoneInfo) -> Iterable[list[str]]:
    for family in statement.families:
        left = f"s.d. {_day(family.left_on)}" if family.left_on else "sampai sekarang"
        ranks = "; ".join(
            f"desil {rank.decile or 'belum ditentukan'} ({_said('decile_sources', rank.source)}, {_day(rank.dated_on)})"
            for rank in family.deciles
        )
        yield [
            _joined(_day(family.joined_on), left),
            _said("relationships", family.relationship),
            _said("family_change_reasons", family.left_reason),
            _joined(family.street, f"Nomor KK {', '.join(family.cards)}" if family.cards else None, ranks),
        ]


def _assessments(statement: Statement, _zone: ZoneInfo) -> Iterable[list[str]]:
    for found in statement.assessments:
        yield [
            _joined(_day(found.since), f"s.d. {_day(found.until)}" if found.until else None),
            _said("ppks_categories", found.category) + (" (keluarga Anda)" if found.unit == "family" else ""),
            _STATES[found.status],
            _joined(
                f"Ditetapkan {_day(found.assessed_on)}", _said("ppks_closing_reasons", found.reason_code), found.note
            ),
        ]


def _names(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for paper in statement.document_names:
        gone = f"Ditarik {_day(paper.withdrawn_at.astimezone(zone))}" if paper.withdrawn_at else None
        yield [_day(paper.noted_on), _said("name_documents", paper.document), paper.name, _joined(paper.note, gone)]


def _identity_steps(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for step in statement.identity_steps:
        ground = _said("death_sources" if "death" in step.action else "nik_documents", step.reason_code)
        yield [
            _time(step.at.astimezone(zone)),
            _STEPS.get(step.action, step.action),
            _role(step.actor_role),
            _joined(ground, step.note),
        ]


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
        yield [
            _day(visit.visited_on),
            _STATES[visit.status],
            result,
            _joined(visit.notes, visit.cancel_reason, reasons, seen, place),
        ]


def _proposals(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for proposal in statement.proposals:
        field = _FIELDS_PROPOSED.get(proposal.field, proposal.field)
        decided = f"Diputuskan {_day(proposal.decided_at.astimezone(zone))}" if proposal.decided_at else None
        yield [
            _day(proposal.created_at.astimezone(zone)),
            _said("personal_fields", field),
            _STATES[proposal.status],
            _joined(
                f"Semula: {_proposed(proposal.field, proposal.current_value)}",
                f"Usulan: {_proposed(proposal.field, proposal.proposed_value)}",
                decided,
                proposal.note,
            ),
        ]


def _proposed(field: str, value: Any) -> str:
    if isinstance(value, dict):
        return _value([f"{_said('personal_fields', name)} {part}" for name, part in value.items() if part])
    return _changed(field, value)


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
    signed = _SIGNED[letter.signature]
    if letter.scan_received_at is not None:
        signed += f" (pindaian diterima {_day(letter.scan_received_at.astimezone(zone))})"
    return ", ".join(part for part in (f"Surat nomor {letter.number}", letter.issuer, valid, signed, revoked) if part)


def _presentations(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for shown in statement.presentations:
        yield [
            _day(shown.presented_at.astimezone(zone)),
            shown.agency,
            _said("presentation_outcomes", shown.outcome),
            _joined(f"Surat nomor {shown.number}", _said("programs", shown.program), shown.note),
        ]


def _notifications(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for told in statement.notifications:
        to_them = f"{_CHANNELS[told.channel]} ({_MESSAGES[told.state or 'waiting']})" if told.channel else None
        yield [
            _time((told.sent_at or told.at).astimezone(zone)),
            told.title,
            ", ".join(_role(role) for role in told.told_roles),
            to_them or "",
        ]


def _referrals(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for referral in statement.referrals:
        yield [
            _day(referral.created_at.astimezone(zone)),
            _joined(_said("programs", referral.program), referral.agency),
            _STATES[referral.status],
            _joined(
                referral.reason,
                f"Persetujuan: {_said('consent', referral.consent)}",
                referral.consent_reason,
                f"Daftar tunggu sampai {_day(referral.expires_on)}" if referral.expires_on else None,
                f"Diaktifkan paling lambat {_day(referral.activate_by)}" if referral.activate_by else None,
                f"Nomor instansi {referral.reference_number}" if referral.reference_number else None,
                f"Diputuskan {_day(referral.decided_on)}" if referral.decided_on else None,
                f"Berlaku sejak {_day(referral.active_from)}" if referral.active_from else None,
                f"Berakhir {_day(referral.ended_on)}" if referral.ended_on else None,
                _documents(referral.documents),
            ),
        ]


def _enrolments(statement: Statement, _zone: ZoneInfo) -> Iterable[list[str]]:
    for benefit in statement.enrolments:
        end = f"sampai {_day(benefit.ended_on)}" if benefit.ended_on else "masih berjalan"
        yield [
            _day(benefit.started_on),
            _joined(_said("programs", benefit.program), benefit.agency),
            end,
            _joined(
                f"Nomor instansi {benefit.reference_number}" if benefit.reference_number else None,
                _said("referral_reason_codes", benefit.end_reason),
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


def _merged_records(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for who in statement.merged_records:
        yield [
            _day(who.registered_at.astimezone(zone)),
            _joined(who.full_name, f"NIK {who.nik}" if who.nik else None),
            _joined(
                ", ".join(part for part in (who.birth_place, _day(who.birth_date)) if part),
                ", ".join(part for part in (who.street, who.place) if part),
            ),
            _joined(
                f"Telepon {who.phone}" if who.phone else None,
                f"Nomor KK {who.family_card_number}" if who.family_card_number else None,
                "; ".join(_said("ppks_categories", code) for code in who.ppks_categories),
                who.notes,
            ),
        ]


def _merges(statement: Statement, zone: ZoneInfo) -> Iterable[list[str]]:
    for merge in statement.merges:
        undone = f"Dibatalkan {_day(merge.undone_at.astimezone(zone))}" if merge.undone_at else None
        yield [
            _day(merge.created_at.astimezone(zone)),
            "Dua data digabung",
            "dibatalkan" if undone else "berlaku",
            _joined(merge.reason, undone),
        ]
    for pair in statement.duplicates:
        decided = f"Diputuskan {_day(pair.decided_at.astimezone(zone))}" if pair.decided_at else None
        yield [
            _day(pair.created_at.astimezone(zone)),
            "Dibandingkan dengan data orang lain",
            _PAIRS[pair.status],
            decided or "",
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
            _joined(_role(change.role), change.reason),
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
    return ": ".join(said(name, value))


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
    _Section("Keluarga", (("Waktu", 21), ("Hubungan", 21), ("Alasan keluar", 21), ("Rincian", 37)), _families),
    _Section("Kategori PPKS", (("Waktu", 19), ("Kategori", 31), ("Status", 14), ("Rincian", 36)), _assessments),
    _Section("Nama pada dokumen", (("Tanggal", 17), ("Dokumen", 27), ("Nama", 28), ("Catatan", 28)), _names),
    _Section("Pencatatan identitas", (("Waktu", 17), ("Langkah", 25), ("Oleh", 22), ("Dasar", 36)), _identity_steps),
    _Section("Kunjungan rumah", (("Tanggal", 17), ("Status", 14), ("Hasil", 23), ("Catatan dan bukti", 46)), _visits),
    _Section(
        "Usulan perubahan data dari kunjungan",
        (("Tanggal", 17), ("Data", 23), ("Status", 14), ("Rincian", 46)),
        _proposals,
    ),
    _Section(
        "Permohonan dan Surat Keterangan Tidak Mampu",
        (("Tanggal", 17), ("Keperluan", 20), ("Status", 14), ("Rincian", 49)),
        _applications,
    ),
    _Section(
        "Instansi yang menerima surat Anda",
        (("Tanggal", 17), ("Instansi", 27), ("Hasil", 14), ("Rincian", 42)),
        _presentations,
    ),
    _Section(
        "Pemberitahuan tentang Anda",
        (("Waktu", 17), ("Isi", 33), ("Kepada petugas", 27), ("Kepada Anda", 23)),
        _notifications,
    ),
    _Section("Rujukan", (("Tanggal", 17), ("Program dan instansi", 27), ("Status", 14), ("Rincian", 42)), _referrals),
    _Section(
        "Bantuan yang diterima",
        (("Sejak", 17), ("Program dan instansi", 27), ("Masa", 22), ("Rincian", 34)),
        _enrolments,
    ),
    _Section("Kegiatan petugas yang menyebut Anda", (("Tanggal", 17), ("Jenis", 30), ("Judul", 53)), _activities),
    _Section("Foto dan dokumen", (("Tanggal", 17), ("Jenis", 26), ("Nama", 31), ("Catatan", 26)), _attachments),
    _Section(
        "Data ganda Anda yang sudah digabung",
        (("Terdaftar", 17), ("Nama", 26), ("Lahir dan alamat", 30), ("Lain-lain", 27)),
        _merged_records,
    ),
    _Section(
        "Pemeriksaan data ganda",
        (("Tanggal", 17), ("Yang dilakukan", 29), ("Status", 14), ("Alasan", 40)),
        _merges,
    ),
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
