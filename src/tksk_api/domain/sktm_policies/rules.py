"""What an SKTM demands: the built-in default, and inheritance village <- district <- regency <- province <- default.

No national law fixes issuer, documents, validity or numbering (DOMAIN §3.1): all of it is a region's own setting.
"""

import calendar
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.sktm_letters.content import SignatureKind

ANY_PURPOSE = "any"
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")

DEFAULT: Mapping[str, Any] = {
    "classification": "400.9",  # social affairs, Permendagri 83/2022
    "unit_code": "{region_code}",
    "number_pattern": "{classification}/{sequence}/{unit}/{roman_month}/{year}",
    "validity_months": 3,
    "signatories": ["village_head"],
    "visit_required": True,
    "visit_required_for": {},
    "stamped_statement": False,
    "documents": {
        ANY_PURPOSE: ["cover_letter", "ktp", "family_card"],
        "education": ["school_letter"],
        "health": ["health_facility_letter"],
        "maternity": ["health_facility_letter"],
    },
    "letterhead": {},
    "office_address": None,
    "service_days": 1,  # DOMAIN §3.2: from 15 minutes to one working day at the kelurahan, one day at the Dinsos
    "wording": {},
    "english_page": False,
    "logo": None,
    "signature": "recorded",
}
_STATEMENT = "poverty_statement"


@dataclass(frozen=True)
class Requirement:
    """A document an application needs; `stamped` asks for a duty stamp (meterai) on it."""

    kind: str
    stamped: bool = False


@dataclass(frozen=True)
class Policy:
    """What holds for one issuing village; stored with the application when it is submitted.

    An entry of `documents` is a kind, or `{kind, when, unless}`: needed where every condition in `when` and none in
    `unless` holds. Conditions are codes of the list document_conditions. Fields with a default were added later:
    applications submitted before lack them.
    """

    classification: str
    unit_code: str
    number_pattern: str
    validity_months: int
    signatories: list[str]
    visit_required: bool
    documents: Mapping[str, list[str | Mapping[str, Any]]]
    office_address: str | None
    visit_required_for: Mapping[str, bool] = field(default_factory=dict)
    stamped_statement: bool = False
    letterhead: Mapping[str, str] = field(default_factory=dict)
    service_days: int = 1
    wording: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    english_page: bool = False
    logo: str | None = None
    signature: SignatureKind = "recorded"

    def needs_visit(self, purpose: str) -> bool:
        """Whether a completed visit comes before the signature."""
        return self.visit_required_for.get(purpose, self.visit_required)

    def requirements(self, purpose: str, facts: Collection[str]) -> list[Requirement]:
        """The documents needed where these conditions hold, in the order people ask for them, each once."""
        entries = [*self.documents.get(ANY_PURPOSE, []), *self.documents.get(purpose, [])]
        kinds = [kind for entry in entries if (kind := _needed(entry, facts))]
        if self.stamped_statement:
            kinds.append(_STATEMENT)
        return [
            Requirement(kind, stamped=self.stamped_statement and kind == _STATEMENT) for kind in dict.fromkeys(kinds)
        ]

    def series(self, purpose: str) -> str:
        """The counter that numbers such a letter: one for all, or one per type where the pattern shows the type."""
        return type_code(purpose) if "{type}" in self.number_pattern else ""

    def number(self, sequence: int, region_code: str, issued_on: date, purpose: str) -> str:
        """The letter's number by the region's pattern; the month in Roman numerals."""
        return self.number_pattern.format(
            classification=self.classification,
            sequence=f"{sequence:03d}",
            unit=self.unit_code.format(region_code=region_code),
            roman_month=ROMAN[issued_on.month - 1],
            month=f"{issued_on.month:02d}",
            year=issued_on.year,
            type=type_code(purpose),
        )

    def valid_until(self, issued_on: date) -> date:
        """The same day `validity_months` later, or that month's last day."""
        months = issued_on.month - 1 + self.validity_months
        year, month = issued_on.year + months // 12, months % 12 + 1
        return date(year, month, min(issued_on.day, calendar.monthrange(year, month)[1]))


def type_code(purpose: str) -> str:
    """The short code of a purpose inside a number, such as `PD` for education."""
    return next(str(item.attributes["number_code"]) for item in LISTS["sktm_purposes"].items if item.code == purpose)


def _needed(entry: str | Mapping[str, Any], facts: Collection[str]) -> str | None:
    if isinstance(entry, str):
        return entry
    holds = all(code in facts for code in entry["when"]) and not any(code in facts for code in entry["unless"])
    return str(entry["kind"]) if holds else None


def resolve(chain: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Merge settings from the nearest region outwards; what nobody sets comes from the default.

    `chain` holds `(region code, its own settings)`, the nearest first; null settings are inherited. Returns the
    values and, for each, where it came from (a region code or `default`).
    """
    values, origins = dict(DEFAULT), dict.fromkeys(DEFAULT, "default")
    for region, own in reversed(list(chain)):
        for name in DEFAULT:
            if own.get(name) is not None:
                values[name], origins[name] = own[name], region
    return values, origins
