"""What a report says, as tables with Indonesian words: said once for the printed report and for the workbook."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.reports.content import SENSITIVE, BySex, Headcount, PpksRow, ReportContent, Standing
from tksk_api.domain.reports.printing import District
from tksk_api.domain.sktm_letters.content import indonesian_date

Value = str | int | date | None
Rows = tuple[tuple[Value, ...], ...]
Kind = Literal["text", "number", "date"]

PERIODS = {"month": "BULANAN", "quarter": "TRIWULAN", "semester": "SEMESTER", "year": "TAHUNAN"}
STATES = {
    "draft": "Draf",
    "submitted": "Diajukan",
    "returned": "Dikembalikan",
    "checked": "Diperiksa",
    "verified": "Diverifikasi",
    "signing": "Menunggu tanda tangan",
    "issued": "Terbit",
    "collected": "Diserahkan",
    "rejected": "Ditolak",
    "cancelled": "Dibatalkan",
    "revoked": "Dicabut",
    "received": "Diterima",
    "under_review": "Ditelaah",
    "documents_requested": "Menunggu dokumen",
    "approved": "Disetujui",
    "waitlisted": "Daftar tunggu",
    "active": "Berjalan",
    "ended": "Berakhir",
    "lapsed": "Lewat waktu",
    "accepted": "Diterima",
    "missing": "Belum ada",
    "vacant": "Tanpa TKSK",
}
OFFICER_KINDS = {"holder": "Pemegang tugas", "acting": "Pelaksana tugas", "unassigned": "Tanpa surat tugas"}
_FOLLOW_UPS = {"open": "Belum jatuh tempo", "done": "Selesai", "overdue": "Lewat tenggat"}
_EVENTS = {"new": "Baru", "served": "Dilayani", "referred": "Dirujuk", "closed": "Berakhir"}
_SEXES = {"male": "L", "female": "P", "groups": "Kel."}
_QUARTERS = ("I", "II", "III", "IV")


@dataclass(frozen=True, slots=True)
class Column:
    """`width` in letters; `group` stands above neighbouring columns that share it."""

    title: str
    kind: Kind = "text"
    width: int = 20
    group: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one value for each column; `total` is a last row of sums. `empty` is said where there are no rows.

    `name` has at most 31 letters, as the name of a sheet.
    """

    name: str
    columns: tuple[Column, ...]
    rows: Rows
    total: tuple[Value, ...] | None = None
    note: str = ""
    empty: str = "Tidak ada dalam periode ini."


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the report, in the order of DOMAIN §6."""

    code: str
    title: str
    tables: tuple[Table, ...]


def period_name(content: ReportContent) -> str:
    """`Oktober 2026`, `Triwulan III 2026`, `Semester I 2026`, `Tahun 2026`."""
    first, kind = content.period.first, content.period.type
    month = indonesian_date(first).split(" ", 1)[1]
    return {
        "month": month,
        "quarter": f"Triwulan {_QUARTERS[(first.month - 1) // 3]} {first.year}",
        "semester": f"Semester {_QUARTERS[(first.month - 1) // 6]} {first.year}",
        "year": f"Tahun {first.year}",
    }[kind]


def title_of(content: ReportContent) -> str:
    """The kind of report, in capitals."""
    kind = PERIODS[content.period.type]
    return f"LAPORAN {kind}" if content.children is None else f"REKAPITULASI LAPORAN {kind}"


def said(code_list: str, code: str) -> str:
    """The Indonesian label; the code itself where the list no longer has it."""
    return next((item.label_id for item in LISTS[code_list].items if item.code == code), code)


def parts(content: ReportContent, districts: Sequence[District] = ()) -> tuple[Part, ...]:
    """Every section that has tables; a recap has its children and `districts` instead of officers and remarks."""
    made: dict[str, tuple[Table, ...]] = {
        "identity": (_officers(content),),
        "work": (_functions(content), _kinds(content)),
        "ppks": (_ppks(content),),
        "sktm": (_sktm(content),),
        "referrals": (_referrals(content),),
        "visits": (_visits(content),),
        "partners": (_partners(content),),
        "obstacles": (_obstacles(content),),
        "follow_ups": (_follow_up_counts(content), _follow_ups(content)),
    }
    if content.children is not None:
        del made["identity"], made["obstacles"]
        below = _children(content)
        listed = (_districts(districts),) if content.region.level != "regency" else ()
        made = {"children": (below, *listed), **made, "follow_ups": (_follow_up_counts(content),)}
    return tuple(Part(code, said("report_sections", code), tables) for code, tables in made.items())


def facts(content: ReportContent, standing: Standing) -> tuple[tuple[str, Value], ...]:
    """What identifies a report, with typed values; nothing that is not known is named."""
    status = {"draft": "Draf, belum diajukan", "submitted": "Diajukan, belum diterima", "returned": "Dikembalikan"}
    rows: list[tuple[str, Value]] = [
        ("Laporan", f"{title_of(content).capitalize()} TKSK"),
        ("Wilayah", content.region.office),
        ("Kode wilayah", content.region.code),
        *(("Di dalam", name) for name in content.region.above),
        ("Periode", period_name(content)),
        ("Hari pertama", content.period.first),
        ("Hari terakhir", content.period.last),
        ("Batas pengajuan", standing.due_on),
        ("Ketepatan", None if standing.is_late is None else "Terlambat" if standing.is_late else "Tepat waktu"),
        ("Status", status.get(standing.status, "Diterima")),
        ("Revisi", standing.revision),
        ("Alasan perbaikan", standing.revises),
        ("SHA-256 isi", standing.sha256),
    ]
    return tuple(row for row in rows if row[1] is not None)


def _people(headcount: Headcount) -> tuple[int, ...]:
    return headcount.male, headcount.female, headcount.children, headcount.disabled


_REACHED = tuple(Column(title, "number", 9, "Orang yang dijangkau") for title in ("L", "P", "Anak", "Disabilitas"))
_REACHED_NOTE = "Orang menurut catatan kegiatan; anak dan penyandang disabilitas terhitung pula dalam L dan P."


def _summed(rows: Iterable[Sequence[Value]], texts: int) -> tuple[Value, ...]:
    """A last row: `Jumlah`, blanks, and the sums of the columns after the first `texts`."""
    sums = [sum(value for value in column if isinstance(value, int)) for column in zip(*rows, strict=True)]
    return ("Jumlah", *[None] * (texts - 1), *sums[texts:])


def _officers(content: ReportContent) -> Table:
    who = content.identity
    days = (
        f"Hari dengan pemegang tugas: {who.days_held}; pelaksana tugas: {who.days_acting}; kosong: {who.days_vacant}."
    )
    return Table(
        "TKSK dan surat keputusan",
        (
            Column("Nama", width=26),
            Column("Nomor pegawai", width=18),
            Column("Kedudukan", width=16),
            Column("Nomor SK", width=24),
            Column("Tanggal SK", "date", 12),
            Column("Penerbit SK", width=20),
            Column("Mulai", "date", 12),
            Column("Sampai", "date", 12),
            Column("Kegiatan", "number", 9),
        ),
        tuple(
            (
                one.full_name,
                one.employee_number,
                OFFICER_KINDS[one.kind],
                one.decree_number,
                one.decree_date,
                one.decree_issuer and said("assignment_sources", one.decree_issuer),
                one.first,
                one.last,
                one.activities,
            )
            for one in who.officers
        ),
        note=days,
        empty="Kecamatan ini tanpa TKSK sepanjang periode.",
    )


def _functions(content: ReportContent) -> Table:
    rows: Rows = tuple(
        (said("pillars", row.pillar), said("functions", row.function), row.activities.count, *_people(row.headcount))
        for row in content.work.by_function
    )
    total: tuple[Value, ...] = ("Jumlah", None, content.work.activities.count, *_people(content.work.headcount))
    return Table(
        "Kegiatan per pilar dan fungsi",
        (Column("Pilar", width=24), Column("Fungsi", width=18), Column("Kegiatan", "number", 9), *_REACHED),
        rows,
        total if rows else None,
        f"{content.work.days} hari dengan kegiatan. {_REACHED_NOTE}",
        "Tidak ada kegiatan dalam periode ini.",
    )


def _kinds(content: ReportContent) -> Table:
    rows: Rows = tuple(
        (said("pillars", row.pillar), row.label_id, row.activities.count, *_people(row.headcount))
        for row in content.work.by_kind
    )
    return Table(
        "Kegiatan menurut jenis",
        (Column("Pilar", width=24), Column("Jenis kegiatan", width=40), Column("Kegiatan", "number", 9), *_REACHED),
        rows,
        _summed(rows, 2) if rows else None,
        empty="Tidak ada kegiatan dalam periode ini.",
    )


def _ppks(content: ReportContent) -> Table:
    def counts(row: PpksRow) -> Iterable[int]:
        for event in _EVENTS:
            found: BySex = getattr(row, event)
            yield from (found.male.count, found.female.count, found.groups.count)

    return Table(
        "PPKS menurut kategori",
        (
            Column("Kategori", width=40),
            *(Column(sex, "number", 7, event) for event in _EVENTS.values() for sex in _SEXES.values()),
        ),
        tuple(
            (
                "Kategori sensitif (digabung)" if row.category == SENSITIVE else said("ppks_categories", row.category),
                *counts(row),
            )
            for row in content.ppks
        ),
        note="L laki-laki, P perempuan, Kel. keluarga, kelompok atau komunitas. Baru: dinilai dalam periode; dilayani: "
        "disebut dalam kegiatan; dirujuk: rujukannya diajukan; berakhir: tidak lagi berlaku.",
    )


def _crossed(
    name: str, heading: str, cells: Sequence[tuple[str, str, int]], code_list: str, order: Sequence[str]
) -> Table:
    """Rows of codes by the states that occur, in the order of the way they go."""
    states = [state for state in order if any(cell[1] == state for cell in cells)]
    codes = list(dict.fromkeys(code for code, _, _ in cells))
    counts = {(code, state): count for code, state, count in cells}
    rows: Rows = tuple((said(code_list, code), *(counts.get((code, state), 0) for state in states)) for code in codes)
    return Table(
        name,
        (Column(heading, width=36), *(Column(STATES[state], "number", 11) for state in states)),
        rows,
        _summed(rows, 1) if rows else None,
        "Terhitung pada tiap tahap yang dicapai dalam periode; yang melewati beberapa tahap terhitung di masing-masing."
        if rows
        else "",
    )


def _sktm(content: ReportContent) -> Table:
    cells = [(row.purpose, row.state, row.applications.count) for row in content.sktm]
    return _crossed("SKTM menurut keperluan", "Keperluan", cells, "sktm_purposes", list(STATES))


def _referrals(content: ReportContent) -> Table:
    cells = [(row.program, row.state, row.referrals.count) for row in content.referrals]
    return _crossed("Rujukan menurut program", "Program", cells, "programs", list(STATES))


def _visits(content: ReportContent) -> Table:
    rows = tuple((said("visit_outcomes", row.outcome), row.visits.count) for row in content.visits)
    return Table(
        "Kunjungan rumah yang selesai",
        (Column("Hasil", width=30), Column("Kunjungan", "number", 11)),
        rows,
        _summed(rows, 1) if rows else None,
    )


def _partners(content: ReportContent) -> Table:
    return Table(
        "PSKS menurut jenis",
        (Column("Jenis PSKS", width=50), Column("PSKS", "number", 11), Column("Kegiatan", "number", 11)),
        tuple((said("psks_types", row.type), row.partners.count, row.activities.count) for row in content.partners),
        note="Satu kegiatan dapat melibatkan beberapa PSKS." if content.partners else "",
    )


def _remark(note: str | None) -> str:
    return note or "(dihapus)"  # of a person whose data was erased


def _obstacles(content: ReportContent) -> Table:
    return Table(
        "Hambatan",
        (Column("Tanggal", "date", 12), Column("Kegiatan", width=36), Column("Hambatan", width=60)),
        tuple((row.occurred_on, row.title, _remark(row.note)) for row in content.obstacles),
        empty="Tidak ada hambatan yang dicatat.",
    )


def _follow_up_counts(content: ReportContent) -> Table:
    rows = tuple((words, getattr(content.follow_ups, state).count) for state, words in _FOLLOW_UPS.items())
    return Table(
        "Tindak lanjut menurut keadaan",
        (Column("Keadaan", width=30), Column("Tindak lanjut", "number", 14)),
        rows,
        _summed(rows, 1),
        f"Keadaan pada {indonesian_date(content.compiled_at.date())}."
        if content.children is None
        else "Keadaan saat laporan yang direkapitulasi diserahkan.",
    )


def _follow_ups(content: ReportContent) -> Table:
    return Table(
        "Daftar tindak lanjut",
        (
            Column("Kegiatan pada", "date", 12),
            Column("Kegiatan", width=30),
            Column("Tindak lanjut", width=44),
            Column("Tenggat", "date", 12),
            Column("Keadaan", width=18),
        ),
        tuple(
            (row.occurred_on, row.title, _remark(row.note), row.due_on, _FOLLOW_UPS[row.state])
            for row in content.follow_ups.items
        ),
        empty="Tidak ada tindak lanjut yang dicatat.",
    )


def _late(is_late: bool | None) -> str | None:
    return None if is_late is None else "Ya" if is_late else "Tidak"


def _children(content: ReportContent) -> Table:
    assert content.children is not None
    names = {"regency": "Kecamatan", "province": "Kabupaten/kota", "nation": "Provinsi"}
    return Table(
        "Laporan yang direkap",
        (
            Column("Kode", width=10),
            Column(names[content.region.level], width=26),
            Column("Laporan", width=14),
            Column("Revisi", "number", 8),
            Column("Terlambat", width=10),
            Column("Kegiatan", "number", 9),
            *((Column("TKSK", width=34),) if content.region.level == "regency" else ()),
        ),
        tuple(
            (
                row.region_code,
                row.region_name,
                STATES[row.state],
                row.revision,
                _late(row.is_late),
                row.activities,
                *((", ".join(row.officers) or None,) if content.region.level == "regency" else ()),
            )
            for row in content.children.rows
        ),
        note="Angka dalam rekapitulasi ini hanya dari laporan yang diterima.",
    )


def _districts(districts: Sequence[District]) -> Table:
    return Table(
        "Kecamatan",
        (
            Column("Kode", width=10),
            Column("Kabupaten/kota", width=24),
            Column("Kecamatan", width=24),
            Column("Dalam rekap", width=12),
            Column("Revisi", "number", 8),
            Column("Terlambat", width=10),
            Column("Kegiatan", "number", 9),
            Column("TKSK", width=34),
        ),
        tuple(
            (
                one.code,
                one.regency,
                one.name,
                "Tidak" if one.revision is None else "Ya",
                one.revision,
                _late(one.is_late),
                one.activities,
                ", ".join(one.officers) or None,
            )
            for one in districts
        ),
        empty="Tidak ada kecamatan.",
    )
