"""Letter content: it survives storage unchanged and refuses what cannot be a letter; names are masked."""

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from tksk_api.domain.sktm_letters.content import (
    Dependant,
    EnglishWords,
    LetterContent,
    Letterhead,
    Person,
    Signer,
    indonesian_date,
)
from tksk_api.domain.sktm_letters.masking import mask_name

WIB = timezone(timedelta(hours=7))


def letter(**changes: Any) -> LetterContent:
    content = LetterContent(
        number="400.9/12/SRG/VI/2026",
        issued_on=date(2026, 6, 3),
        valid_until=date(2026, 9, 3),
        letterhead=Letterhead("PEMERINTAH KOTA BANDAR LAMPUNG", "KECAMATAN PANJANG", "KELURAHAN SRENGSEM", None),
        place="Bandar Lampung",
        applicant=Person("Siti Aminah", None, None, date(1980, 6, 5), "female", "Gang Melati No. 7"),
        dependants=(
            Dependant("Muhammad Rizki", "1871051203100002", "male", "Metro", date(2010, 3, 12), "Anak"),
            Dependant("Aisyah Nur'aini", None, "female", None, date(2013, 11, 30), None),
        ),
        english=EnglishWords("Education", None, "This certificate is issued for:", ("Child", None)),
        purpose="Pendidikan",
        purpose_detail="Keringanan biaya\nsekolah",
        addressed_to="Kepala SMP Negeri 30",
        signers=(Signer("Ahmad Fauzi", "Lurah Srengsem", None, datetime(2026, 6, 3, 14, 5, tzinfo=WIB)),),
        verification_url="https://example.go.id/verify/9wJ3mQv2TtB0q1xYc7LrZg",
    )
    return dataclasses.replace(content, **changes)


def test_content_survives_storage_as_json() -> None:
    content = letter()
    stored = json.loads(json.dumps(content.to_json()))
    assert LetterContent.from_json(stored) == content
    assert LetterContent.from_json(stored).to_json() == stored
    assert stored["issued_on"] == "2026-06-03"
    assert stored["signers"][0]["signed_at"] == "2026-06-03T14:05:00+07:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "  "},
        {"valid_until": date(2026, 6, 2)},
        {"signers": ()},
        {"signers": letter().signers * 4},
        {"signers": (Signer("A", "Lurah", None, datetime(2026, 6, 3)),)},  # noqa: DTZ001 - naive on purpose
        {"verification_url": "javascript:alert(1)"},
        {"english": EnglishWords("Education", None, None, ())},
        {"signature": "stamped"},
    ],
)
def test_what_cannot_be_a_letter_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        letter(**changes)


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: stored.pop("format"),
        lambda stored: stored.update(format=3),
        lambda stored: stored.pop("applicant"),
        lambda stored: stored.pop("finding"),
        lambda stored: stored["english"].pop("use"),
        lambda stored: stored.update(extra=1),
        lambda stored: stored["signers"][0].pop("title"),
        lambda stored: stored.update(issued_on="3 Juni 2026"),
        lambda stored: stored.update(issued_on=None),
    ],
)
def test_damaged_storage_is_refused(damage: Any) -> None:
    stored = letter().to_json()
    damage(stored)
    with pytest.raises(ValueError, match=r"."):
        LetterContent.from_json(stored)


def test_the_first_format_is_read_with_the_words_such_letters_bore() -> None:
    stored = letter().to_json() | {"format": 1}
    for later in ("finding", "use", "english", "signature"):
        del stored[later]
    del stored["letterhead"]["logo"]
    content = LetterContent.from_json(stored)
    assert content.finding.endswith("tergolong keluarga kurang mampu (tidak mampu).")
    assert content.use == "Surat keterangan ini diberikan untuk:"
    assert (content.english, content.signature, content.letterhead.logo) == (None, "recorded", None)
    assert LetterContent.from_json(content.to_json()) == content


def test_the_content_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        letter().number = "other"  # type: ignore[misc]


def test_a_time_in_utc_keeps_its_offset() -> None:
    signer = Signer("A", "Lurah", None, datetime(2026, 6, 3, 7, 5, tzinfo=UTC))
    content = letter(signers=(signer,))
    assert LetterContent.from_json(content.to_json()).signers[0].signed_at.utcoffset() == timedelta(0)


def test_dates_are_written_in_indonesian() -> None:
    assert indonesian_date(date(2026, 8, 1)) == "1 Agustus 2026"


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("Siti Aminah", "S*** A*****"),
        ("  Siti \t Aminah ", "S*** A*****"),
        ("Soekarno", "S*******"),
        ("M Rizki", "M R****"),
        ("H. Abdul", "H. A****"),
        ("Nur'aini", "N**'****"),
        ("'Aisyah", "'A*****"),
        ("Siti-Aminah", "S***-A*****".replace("A", "*")),
        ("José", "J***"),
        ("Jose\u0301", "J***"),
        ("Étienne", "É******"),
        ("E\u0301tienne", "É******"),
        ("X\u0323y\u0323", "X\u0323*"),
        ("محمد علي", "م*** ع**"),
        ("王小明", "王**"),
        ("A\u200bb\u202ec", "A**"),
        ("\u0301", ""),
        ("", ""),
    ],
)
def test_a_name_is_masked(name: str, masked: str) -> None:
    assert mask_name(name) == masked
