"""The content of an SKTM letter, frozen at the last signature and stored so that it can be printed again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, Literal, Self, cast, get_args

Sex = Literal["male", "female"]
Status = Literal["valid", "expired", "revoked", "superseded", "not_yet_valid", "unknown"]
SignatureKind = Literal["recorded", "sealed", "wet"]

FORMAT = 2
"""Version of the stored shape; raise it when a field changes meaning, and read the older ones too.

1: without `finding`, `use`, `english`, `signature` and the letterhead's `logo`; such a letter said what their defaults
say.
"""

MAX_SIGNERS = 3

_MONTHS = (
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
)
_ENGLISH_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def indonesian_date(value: date) -> str:
    """Write a date as official letters do, such as `3 Juni 2026`: no leading zero, month by name."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def english_date(value: date) -> str:
    """The same day in English, such as `3 June 2026`, whatever the machine's locale."""
    return f"{value.day} {_ENGLISH_MONTHS[value.month - 1]} {value.year}"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The issuing office, as its letterhead prints it.

    `government` is the full first line (`PEMERINTAH KOTA BANDAR LAMPUNG`), `district` and `office` carry
    their kind (`KECAMATAN PANJANG`, `KELURAHAN SRENGSEM`); `address` is one line of street, telephone and
    postcode. `logo` is the SHA-256 of the picture at its left, in hex; the picture itself is kept under it for good.
    """

    government: str
    district: str
    office: str
    address: str | None
    logo: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """The applicant; `nik` is 16 digits and absent for a person not yet recorded by the civil registry."""

    full_name: str
    nik: str | None
    birth_place: str | None
    birth_date: date
    sex: Sex
    address: str


@dataclass(frozen=True, slots=True)
class Dependant:
    """A family member who depends on the applicant; `relationship` is the Indonesian label (`Anak`)."""

    full_name: str
    nik: str | None
    sex: Sex
    birth_place: str | None
    birth_date: date
    relationship: str | None


@dataclass(frozen=True, slots=True)
class Signer:
    """An official whose approval the system recorded, copied so that staff changes leave old letters alone.

    `title` is the office held (`Lurah Srengsem`), `employee_number` the NIP. `signed_at` carries its offset
    and should be the office's local time (+07:00 WIB, +08:00 WITA, +09:00 WIT), since the letter prints it.
    """

    full_name: str
    title: str
    employee_number: str | None
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class EnglishWords:
    """What the English page says in words of its own; names, numbers and what people typed it takes from the letter.

    `finding` and `use` are None where the region wrote its own sentence and no translation of it: the page then
    repeats the Indonesian one. `relationships` holds one label for each dependant.
    """

    purpose: str
    finding: str | None
    use: str | None
    relationships: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class LetterContent:
    """Everything an SKTM letter says; the same content always prints the same bytes.

    `purpose` is the Indonesian label, `purpose_detail` and `addressed_to` may be empty. `signers` holds one
    to three officials in the order they signed: the first belongs to the issuing office, the others
    acknowledge it. `finding` and `use` are the sentences that state what was found and what the letter is for.
    `english` is there for a letter with a second page in English. The fields follow OpenSID's "Keterangan Kurang
    Mampu" letter.

    Raises ValueError when the number is empty, the dates run backwards, the signers are not one to three or
    one lacks a UTC offset, the verification address is not an http(s) URL, or the English relationships are not as
    many as the dependants. Of `offline_code` see offline.py; letters of the first release have none.
    """

    number: str
    issued_on: date
    valid_until: date
    letterhead: Letterhead
    place: str
    applicant: Person
    dependants: tuple[Dependant, ...]
    purpose: str
    purpose_detail: str
    addressed_to: str
    signers: tuple[Signer, ...]
    verification_url: str
    offline_code: str | None = None
    finding: str = (
        "Berdasarkan hasil pemeriksaan berkas dan/atau kunjungan rumah oleh petugas, orang tersebut di atas tergolong "
        "keluarga kurang mampu (tidak mampu)."
    )
    use: str = "Surat keterangan ini diberikan untuk:"
    english: EnglishWords | None = None
    signature: SignatureKind = "recorded"

    def __post_init__(self) -> None:
        if not self.number.strip():
            raise ValueError("a letter needs a number")
        if self.valid_until < self.issued_on:
            raise ValueError("valid_until is before issued_on")
        if not 1 <= len(self.signers) <= MAX_SIGNERS:
            raise ValueError(f"a letter has 1 to {MAX_SIGNERS} signers, not {len(self.signers)}")
        if any(signer.signed_at.utcoffset() is None for signer in self.signers):
            raise ValueError("signed_at needs a UTC offset")
        if not self.verification_url.startswith(("https://", "http://")):
            raise ValueError("verification_url must be an http(s) URL")
        if self.english is not None and len(self.english.relationships) != len(self.dependants):
            raise ValueError("one English relationship for each dependant")
        if self.signature not in get_args(SignatureKind):
            raise ValueError(f"no kind of signature: {self.signature!r}")

    def to_json(self) -> dict[str, Any]:
        """Give the content as JSON types only (dates and times ISO 8601), for storing beside the letter."""
        return {"format": FORMAT, **cast(dict[str, Any], _plain(asdict(self)))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave, in this release or an earlier one.

        Raises ValueError when the format is unknown or a field is missing, unknown or of the wrong type.
        """
        if data.get("format") not in (1, FORMAT):
            raise ValueError(f"unknown letter format {data.get('format')!r}")
        stored = {name: value for name, value in data.items() if name != "format"}
        if data["format"] == FORMAT and stored.keys() != {field.name for field in fields(cls)}:
            raise ValueError("stored letter content does not fit: not its fields")
        try:
            return cls(
                **{
                    **stored,
                    "issued_on": date.fromisoformat(stored["issued_on"]),
                    "valid_until": date.fromisoformat(stored["valid_until"]),
                    "letterhead": Letterhead(**stored["letterhead"]),
                    "applicant": Person(**_with_birth_date(stored["applicant"])),
                    "dependants": tuple(Dependant(**_with_birth_date(row)) for row in stored["dependants"]),
                    "signers": tuple(
                        Signer(**{**row, "signed_at": datetime.fromisoformat(row["signed_at"])})
                        for row in stored["signers"]
                    ),
                    "english": _english(stored.get("english")),
                }
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"stored letter content does not fit: {error}") from error


def _with_birth_date(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "birth_date": date.fromisoformat(row["birth_date"])}


def _english(row: Mapping[str, Any] | None) -> EnglishWords | None:
    return None if row is None else EnglishWords(**{**row, "relationships": tuple(row["relationships"])})


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return value


@dataclass(frozen=True, slots=True)
class PublicLetter:
    """What a stranger may know of a letter: never the full name, the NIK or the address.

    `masked_name` comes from `mask_name`, `purpose` is the code, or for a page its label, `issuer` names
    office, district and city. `revoked_on` is set for a revoked letter only, `superseded_on` once a newer letter
    took its place. `signature` is the kind of signature the letter bears. An unknown letter has the status alone;
    anything else it is given is not shown.
    """

    status: Status
    number: str | None = None
    purpose: str | None = None
    masked_name: str | None = None
    issuer: str | None = None
    issued_on: date | None = None
    valid_until: date | None = None
    revoked_on: date | None = None
    superseded_on: date | None = None
    signature: SignatureKind | None = None
