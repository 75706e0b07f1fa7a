"""The warnings kept with a person, worked out from the register: what is odd is said, and nobody is refused for it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.beneficiaries.categories import ordinary
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.rules import (
    age_on,
    category_warnings,
    differing_documents,
    identity_warnings,
    name_warnings,
)
from tksk_api.domain.references.lists import LISTS, label
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import find_region, local_today
from tksk_api.types import CleanedName

_FACTS = ("full_name", "birth_date", "sex", "ppks_categories")
_CLEANED = "name_cleaned"
# Above this package: names on papers know people, people do not know them.
_NAMES = text(
    "SELECT beneficiary_id, document, name FROM document_names WHERE beneficiary_id = ANY (CAST(:people AS uuid[])) "
    "AND withdrawn_at IS NULL ORDER BY beneficiary_id, document, noted_on, id"
)


def facts_of(source: Any) -> dict[str, Any]:
    """What warnings are about, of a row or of a body."""
    return {name: getattr(source, name) for name in _FACTS}


async def warnings_of(
    session: AsyncSession,
    nik: str | None,
    facts: Mapping[str, Any],
    region: Region,
    names: Sequence[tuple[str, str]] = (),
    *,
    was_cleaned: bool = False,
) -> list[dict[str, str]]:
    """Warnings about `facts`, with the names that papers bear."""
    known = nik is None or region.code.startswith(district_of(nik))
    known = known or await find_region(session, district_of(nik or "")) is not None
    return warnings_about(nik, facts, region, names, was_cleaned=was_cleaned, nik_region_known=known)


def district_of(nik: str) -> str:
    """The district that a NIK names: where its bearer was registered first."""
    return f"{nik[:2]}.{nik[2:4]}.{nik[4:6]}"


def warnings_about(
    nik: str | None,
    facts: Mapping[str, Any],
    region: Region,
    names: Sequence[tuple[str, str]] = (),
    *,
    was_cleaned: bool = False,
    nik_region_known: bool,
) -> list[dict[str, str]]:
    """As `warnings_of`, of a NIK whose district was looked up already. Sensitive categories have theirs with the
    assessment: here they would tell of themselves."""
    today = local_today(region.timezone)
    birth_date, sex = facts["birth_date"], facts["sex"]
    found = identity_warnings(nik, birth_date, sex, region.code, nik_region_known=nik_region_known, today=today)
    found += unusual(ordinary(facts["ppks_categories"]), age_on(birth_date, today), sex)
    found += name_warnings(facts["full_name"])
    if was_cleaned or isinstance(facts["full_name"], CleanedName):
        found.append(_CLEANED)
    warnings = [warning(code) for code in found]
    differing = differing_documents(facts["full_name"], names)
    if differing:
        papers = ", ".join(label("name_documents", document, "id") for document in differing)
        warnings.append(warning("name_differs", f": {papers}."))
    return warnings


async def renewed_warnings(
    session: AsyncSession, row: Beneficiary, nik: str | None, region: Region
) -> list[dict[str, str]]:
    """The warnings of a person on the register, whose name may just have changed."""
    names = (await names_on_papers(session, [row.id])).get(row.id, [])
    return await warnings_of(session, nik, facts_of(row), region, names, was_cleaned=still_cleaned(row))


async def names_on_papers(session: AsyncSession, people: Sequence[UUID]) -> dict[UUID, list[tuple[str, str]]]:
    """`(paper, name)` of each person, as noted and not withdrawn; nothing of those who have none."""
    found: dict[UUID, list[tuple[str, str]]] = {}
    for row in await (await session.connection()).execute(_NAMES, {"people": list(people)}):
        found.setdefault(row.beneficiary_id, []).append((row.document, row.name))
    return found


def still_cleaned(row: Beneficiary) -> bool:
    """Whether the name that the row bears had something taken out of it."""
    return any(known["code"] == _CLEANED for known in row.warnings) and not _is_renamed(row)


def unusual(categories: Sequence[str], age: int, sex: str) -> list[str]:
    """Whether age or sex are unusual for one of the categories (DOMAIN §2.1: sources differ, so it is a hint)."""
    chosen = [item for item in LISTS["ppks_categories"].items if item.code in categories]
    limits: Any = [
        (item.code, *(item.attributes.get(name) for name in ("min_age", "max_age", "sex"))) for item in chosen
    ]
    return category_warnings(limits, age, sex)


def warning(code: str, more: str = ".") -> dict[str, str]:
    """A warning with its Indonesian words, so that reading costs nothing; other languages look the code up."""
    detail = label("beneficiary_warnings", code, "id")
    return {"code": code, "detail": detail if more == "." else detail.removesuffix(".") + more}


def _is_renamed(row: Beneficiary) -> bool:
    return bool(inspect(row).attrs.full_name.history.has_changes())
