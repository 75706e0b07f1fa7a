"""The warnings kept with a person, worked out from the register: what is odd is said, and nobody is refused for it."""

from collections.abc import Mapping, Sequence
from typing import Any

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
    "SELECT document, name FROM document_names WHERE beneficiary_id = :id AND withdrawn_at IS NULL "
    "ORDER BY document, noted_on, id"
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
    """Warnings about `facts`, with the names that papers bear. Sensitive categories have theirs with the assessment:
    here they would tell of themselves."""
    today = local_today(region.timezone)
    known = True
    if nik is not None:
        district = f"{nik[:2]}.{nik[2:4]}.{nik[4:6]}"
        known = region.code.startswith(district) or await find_region(session, district) is not None
    birth_date, sex = facts["birth_date"], facts["sex"]
    found = identity_warnings(nik, birth_date, sex, region.code, nik_region_known=known, today=today)
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
    names = [
        (found.document, found.name) for found in await (await session.connection()).execute(_NAMES, {"id": row.id})
    ]
    cleaned = any(known["code"] == _CLEANED for known in row.warnings) and not _is_renamed(row)
    return await warnings_of(session, nik, facts_of(row), region, names, was_cleaned=cleaned)


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
