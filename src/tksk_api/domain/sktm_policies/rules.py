"""What an SKTM demands: the built-in default, and inheritance village <- district <- regency <- province <- default.

No national law fixes issuer, documents, validity or numbering (DOMAIN §3.1): all of it is a region's own setting.
"""

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

ANY_PURPOSE = "any"
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")

DEFAULT: Mapping[str, Any] = {
    "classification": "400.9",  # social affairs, Permendagri 83/2022
    "unit_code": "{region_code}",
    "number_pattern": "{classification}/{sequence}/{unit}/{roman_month}/{year}",
    "validity_months": 3,
    "signatories": ["village_head"],
    "visit_required": True,
    "documents": {
        ANY_PURPOSE: ["cover_letter", "ktp", "family_card"],
        "education": ["school_letter"],
        "health": ["health_facility_letter"],
        "maternity": ["health_facility_letter"],
    },
    "office_address": None,
}


@dataclass(frozen=True)
class Policy:
    """What holds for one issuing village; stored with the application when it is submitted."""

    classification: str
    unit_code: str
    number_pattern: str
    validity_months: int
    signatories: list[str]
    visit_required: bool
    documents: Mapping[str, list[str]]
    office_address: str | None

    def required_documents(self, purpose: str) -> list[str]:
        """Kinds of documents in the order people ask for them."""
        return list(dict.fromkeys([*self.documents.get(ANY_PURPOSE, []), *self.documents.get(purpose, [])]))

    def number(self, sequence: int, region_code: str, issued_on: date) -> str:
        """The letter's number by the region's pattern; the month in Roman numerals."""
        return self.number_pattern.format(
            classification=self.classification,
            sequence=f"{sequence:03d}",
            unit=self.unit_code.format(region_code=region_code),
            roman_month=ROMAN[issued_on.month - 1],
            month=f"{issued_on.month:02d}",
            year=issued_on.year,
        )

    def valid_until(self, issued_on: date) -> date:
        """The same day `validity_months` later, or that month's last day."""
        months = issued_on.month - 1 + self.validity_months
        year, month = issued_on.year + months // 12, months % 12 + 1
        return date(year, month, min(issued_on.day, calendar.monthrange(year, month)[1]))


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
