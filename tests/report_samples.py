"""A report's month of a synthetic Panjang, and a recap, for tests of the documents."""

from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

from tksk_api.domain.reports.content import BySex as Sexes
from tksk_api.domain.reports.content import (
    Child,
    Children,
    FollowUp,
    FollowUps,
    FunctionRow,
    Headcount,
    Identity,
    KindRow,
    Narrative,
    Number,
    Obstacle,
    Officer,
    PartnerRow,
    Period,
    Place,
    PpksRow,
    ReferralRow,
    ReportContent,
    Signed,
    SktmRow,
    Standing,
    VisitRow,
    Work,
)
from tksk_api.domain.reports.printing import District, Printable

KEY = UUID("01990000-0000-7000-8000-000000000001")
DIGEST = "5a" * 32
URL = "https://tksk.example.id/verify-report/Zm9vYmFyYmF6cXV4MTIzNA"
COUNTED_AT = datetime(2026, 11, 2, 2, 15, tzinfo=UTC)


def number(count: int) -> Number:
    return Number(count=count, filter="/v1/activities?report_id=x")


def people(male: int, female: int, children: int = 0, disabled: int = 0) -> Headcount:
    return Headcount(male=male, female=female, children=children, disabled=disabled)


def sexes(male: int = 0, female: int = 0, groups: int = 0) -> Sexes:
    return Sexes(male=number(male), female=number(female), groups=number(groups))


FUNCTIONS = (
    ("rehabilitation", "coordination", 2, people(3, 4)),
    ("rehabilitation", "facilitation", 6, people(9, 12, 2, 3)),
    ("social_security", "facilitation", 14, people(21, 30, 6, 1)),
    ("social_security", "administration", 5, people(0, 0)),
    ("empowerment", "coordination", 4, people(12, 31)),
    ("empowerment", "facilitation", 3, people(8, 17)),
    ("protection", "coordination", 5, people(10, 9, 4)),
    ("protection", "facilitation", 5, people(25, 28, 15, 2)),
)
KINDS = (
    ("rehabilitation", "neglected_elderly_care", "Penanganan lanjut usia terlantar", 5, people(7, 9, 0, 3)),
    ("social_security", "sktm_verification", "Verifikasi lapangan SKTM", 12, people(19, 27, 6, 1)),
    ("empowerment", "group_coaching", "Pembinaan KUBE dan kelompok usaha", 6, people(18, 42)),
)


def work(officers: int = 1) -> Work:
    return Work(
        activities=number(44 * officers),
        headcount=people(88, 131, 27, 6),
        days=21,
        by_function=tuple(
            FunctionRow(pillar=pillar, function=function, activities=number(count), headcount=reached)
            for pillar, function, count, reached in FUNCTIONS
        ),
        by_kind=tuple(
            KindRow(pillar=pillar, kind=kind, label_id=name, label_en=name, activities=number(count), headcount=reached)
            for pillar, kind, name, count, reached in KINDS
        ),
    )


def report(**over: Any) -> ReportContent:
    """A district's month, with something in every section."""
    facts: dict[str, Any] = {
        "period": Period(type="month", first=date(2026, 10, 1), last=date(2026, 10, 31), timezone="Asia/Jakarta"),
        "region": Place(
            code="18.71.04",
            name="Panjang",
            office="Kecamatan Panjang",
            level="district",
            above=("Kota Bandar Lampung", "Provinsi Lampung"),
        ),
        "compiled_at": COUNTED_AT,
        "identity": Identity(
            officers=(
                Officer(
                    user_id=KEY,
                    full_name="Siti Rahmawati",
                    employee_number="1871-04-001",
                    kind="holder",
                    assignment_id=KEY,
                    decree_number="460/12/SK/2024",
                    decree_date=date(2024, 1, 2),
                    decree_issuer="kemensos",
                    first=date(2026, 10, 1),
                    last=date(2026, 10, 31),
                    activities=44,
                ),
            ),
            days_held=31,
            days_acting=0,
            days_vacant=0,
            is_vacant=False,
            is_shared=False,
        ),
        "work": work(),
        "ppks": (
            PpksRow(
                category="lansia_terlantar",
                new=sexes(1, 3),
                served=sexes(4, 6),
                referred=sexes(1, 1),
                closed=sexes(0, 1),
            ),
            PpksRow(
                category="fakir_miskin", new=sexes(5, 9), served=sexes(20, 31), referred=sexes(2, 4), closed=sexes(1, 2)
            ),
            PpksRow(
                category="keluarga_bermasalah_psikologis",
                new=sexes(groups=2),
                served=sexes(groups=3),
                referred=sexes(),
                closed=sexes(),
            ),
            PpksRow(category="sensitive", new=sexes(1, 1), served=sexes(2, 2), referred=sexes(1), closed=sexes()),
        ),
        "sktm": tuple(
            SktmRow(purpose=purpose, state=state, applications=number(count))
            for purpose, state, count in (
                ("education", "submitted", 12),
                ("education", "checked", 11),
                ("education", "issued", 9),
                ("health", "submitted", 7),
                ("health", "issued", 6),
                ("health", "rejected", 1),
            )
        ),
        "referrals": tuple(
            ReferralRow(program=program, state=state, referrals=number(count))
            for program, state, count in (
                ("pbi_jk", "submitted", 8),
                ("pbi_jk", "approved", 5),
                ("pkh", "submitted", 3),
                ("pkh", "waitlisted", 2),
            )
        ),
        "visits": (VisitRow(outcome="met", visits=number(18)), VisitRow(outcome="nobody_home", visits=number(3))),
        "partners": (
            PartnerRow(type="karang_taruna", partners=number(2), activities=number(3)),
            PartnerRow(type="lks", partners=number(1), activities=number(4)),
        ),
        "obstacles": (
            Obstacle(
                activity_id=KEY,
                occurred_on=date(2026, 10, 7),
                title="Penyaluran logistik banjir",
                note="Jalan ke Lingkungan II terputus; logistik diantar dengan perahu Tagana.",
            ),
        ),
        "follow_ups": FollowUps(
            open=number(1),
            done=number(2),
            overdue=number(0),
            items=(
                FollowUp(
                    activity_id=KEY,
                    occurred_on=date(2026, 10, 12),
                    title="Kunjungan lanjut usia",
                    note="Pastikan kursi roda dari dinas sudah diterima.",
                    due_on=date(2026, 11, 15),
                    state="open",
                ),
            ),
        ),
        "narrative": Narrative(
            summary="Bulan ini didominasi verifikasi SKTM menjelang pendaftaran ulang sekolah.\n"
            "Banjir pada 6 Oktober menambah kegiatan perlindungan sosial.",
            obstacles="Tiga keluarga tidak dapat ditemui karena bekerja di luar kota.",
            plan="Menyelesaikan verifikasi yang tersisa dan pembinaan dua KUBE baru.",
        ),
        "attachments": (),
        "children": None,
    }
    return ReportContent(**{**facts, **over})


def recap(**over: Any) -> ReportContent:
    """A province's month: two regencies in it, and one without a report."""

    def child(code: str, name: str, state: str, activities: int | None) -> Child:
        return Child(
            region_code=code,
            region_name=name,
            state=state,  # type: ignore[arg-type]
            report_id=KEY if activities else None,
            revision=1 if activities else None,
            is_late=False if activities else None,
            activities=activities,
            officers=(),
        )

    rows = (
        child("52.01", "Lombok Barat", "accepted", 402),
        child("52.02", "Lombok Tengah", "accepted", 511),
        child("52.08", "Lombok Utara", "missing", None),
    )
    return report(
        **{
            "region": Place(
                code="52", name="Nusa Tenggara Barat", office="Provinsi Nusa Tenggara Barat", level="province", above=()
            ),
            "period": Period(type="month", first=date(2026, 10, 1), last=date(2026, 10, 31), timezone="Asia/Makassar"),
            "identity": Identity(
                officers=(), days_held=0, days_acting=0, days_vacant=0, is_vacant=False, is_shared=False
            ),
            "obstacles": (),
            "follow_ups": FollowUps(open=number(4), done=number(9), overdue=number(2), items=()),
            "children": Children(rows=rows, districts=27, reported=21, late=1, vacant=2),
            **over,
        }
    )


def districts() -> tuple[District, ...]:
    def district(code: str, regency: str, name: str, activities: int | None) -> District:
        there = activities is not None
        officers = ("Baiq Nurul Aini",) if there else ()
        return District(code, regency, name, 1 if there else None, False if there else None, activities, officers)

    return (
        district("52.01.01", "Kabupaten Lombok Barat", "Gerung", 44),
        district("52.01.02", "Kabupaten Lombok Barat", "Kediri", None),
        district("52.02.01", "Kabupaten Lombok Tengah", "Praya", 51),
        district("52.08.01", "Kabupaten Lombok Utara", "Tanjung", None),
        district("52.08.02", "Kabupaten Lombok Utara", "Gangga", None),
    )


def standing(status: Literal["draft", "submitted", "returned", "accepted"] = "accepted", **over: Any) -> Standing:
    """Where it stands, with the signatures that go with it."""
    is_draft, is_accepted = status == "draft", status == "accepted"
    submitted = Signed(
        full_name="Siti Rahmawati",
        title=None,
        employee_number="1871-04-001",
        at=datetime(2026, 11, 2, 2, 20, tzinfo=UTC),
    )
    head = Signed(
        full_name="Bambang Sutrisno, S.Sos.",
        title="Camat Panjang",
        employee_number="NIP 197003121995031002",
        at=datetime(2026, 11, 3, 1, 5, tzinfo=UTC),
    )
    office = Signed(
        full_name="Dewi Anggraini, M.Si.",
        title="Kepala Bidang Pemberdayaan Sosial",
        employee_number="NIP 198011052006042001",
        at=datetime(2026, 11, 4, 3, 40, tzinfo=UTC),
    )
    facts: dict[str, Any] = {
        "report_id": KEY,
        "revision": 1,
        "status": status,
        "is_late": None if is_draft else False,
        "due_on": date(2026, 11, 5),
        "submitted": None if is_draft else submitted,
        "acknowledged": head if is_accepted else None,
        "accepted": office if is_accepted else None,
        "sha256": None if is_draft else DIGEST,
        "verification_url": URL if is_accepted else None,
        "revises": None,
    }
    return Standing(**{**facts, **over})


def printable(**over: Any) -> Printable:
    return Printable(**{"content": report(), "standing": standing(), **over})


def province(**over: Any) -> Printable:
    facts = {"content": recap(), "standing": standing(acknowledged=None), "districts": districts()}
    return Printable(**{**facts, **over})
