"""Registering, correcting, moving and withdrawing people; searching and revealing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Page, PageRequest, Reader, Stored
from tksk_api.database.session import scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES, FOUND_BY_NAME, FOUND_EXACTLY
from tksk_api.domain.beneficiaries.rules import age_on, category_warnings, identity_warnings
from tksk_api.domain.beneficiaries.schemas import (
    Address,
    BeneficiaryCreate,
    BeneficiarySearch,
    BeneficiaryUpdate,
    Move,
    Moved,
    Reveal,
    Revealed,
)
from tksk_api.domain.history.access import record_access
from tksk_api.domain.limits.service import take_strictly
from tksk_api.domain.records import create_once, keyring_of, load, merged, patched, refuse_null, save
from tksk_api.domain.references.lists import LISTS, codes, label
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import find_region, local_today, require_region
from tksk_api.errors import DomainError, invalid
from tksk_api.security.crypto import Keyring

_NIK = "beneficiaries.nik"
_CARD = "beneficiaries.family_card"
_HOUR_SECONDS = 3600
# Above this package: applications and referrals know people, people do not know them.
_IN_USE = text(
    "SELECT EXISTS (SELECT 1 FROM sktm_applications WHERE (beneficiary_id = :id OR :id = ANY (dependants)) "
    "AND status NOT IN ('rejected', 'cancelled', 'revoked')) "
    "OR EXISTS (SELECT 1 FROM referrals WHERE beneficiary_id = :id "
    "AND status NOT IN ('rejected', 'cancelled', 'ended'))"
)


async def create(session: AsyncSession, body: BeneficiaryCreate) -> Stored:
    """Register a person in a village of the caller's area.

    Raises invalid_request, id_in_use, and nik_taken, which says nothing about where the other record lies.
    """
    if not scope_of(session).contains(body.village_code):
        raise invalid("/village_code", "outside_scope")
    region = await require_region(session, body.village_code, "/village_code", "village")
    _check_codes(body.relationship, body.ppks_categories)
    row_id = body.id or new_id()
    warnings = await _warnings(session, body.nik, _facts(body), region)

    def build() -> Beneficiary:
        row = Beneficiary(
            id=row_id,
            region_code=body.village_code,
            warnings=warnings,
            **body.address.model_dump(),
            **body.model_dump(exclude={"id", "nik", "family_card_number", "address", "village_code"}),
        )
        _seal_nik(keyring_of(session), row, body.nik)
        _seal_card(keyring_of(session), row, body.family_card_number)
        return row

    return await create_once(session, BENEFICIARIES, body, Beneficiary, build)


async def update(session: AsyncSession, key: UUID, version: int, patch: BeneficiaryUpdate) -> Stored:
    """Correct what was written wrongly. Raises invalid_request, stale_version, not_found."""
    row = await load(session, Beneficiary, key, version)
    refuse_null(patch, "nik_status", "full_name", "birth_date", "sex", "address", "ppks_categories")
    changes = patched(patch)
    _check_codes(changes.get("relationship"), changes.get("ppks_categories") or [])
    if "nik_status" in changes and row.nik_index is None:
        raise invalid("/nik_status", "nik_status_mismatch")
    if "family_card_number" in changes:
        _seal_card(keyring_of(session), row, changes.pop("family_card_number"))
    if "address" in changes:
        now = {name: getattr(row, name) for name in Address.model_fields}
        address = merged(Address, now, changes.pop("address"), "/address")
        assert address is not None  # refused above
        changes |= address.__dict__
    for name, value in changes.items():
        setattr(row, name, value)
    if changes.keys() & {"birth_date", "sex", "ppks_categories"}:
        region = await require_region(session, row.region_code or "", "/village_code")
        row.warnings = await _warnings(session, _open_nik(keyring_of(session), row), _facts(row), region)
    return await save(session, BENEFICIARIES, row)


async def withdraw(session: AsyncSession, key: UUID, version: int) -> None:
    """Take a wrongly registered person off the register; the row and its history are kept.

    Raises still_in_use while an application, a letter or a referral of theirs runs.
    """
    row = await load(session, Beneficiary, key, version)
    if (await (await session.connection()).execute(_IN_USE, {"id": key})).scalar():
        raise DomainError("still_in_use")
    row.deleted_at = datetime.now(UTC)
    await session.flush()


async def move(session: AsyncSession, key: UUID, version: int, body: Move) -> Moved:
    """The person now lives in another village, perhaps beyond the caller's area: then the caller lets go of them."""
    row = await load(session, Beneficiary, key, version)
    await require_region(session, body.village_code, "/village_code", "village")
    address: Mapping[str, Any] = body.address.model_dump() if body.address else {"street": None, "rt": None, "rw": None}
    await (await session.connection()).execute(
        text("SELECT set_config('app.operation', :o, true)"), {"o": "move_beneficiary"}
    )
    moved = (
        await (await session.connection()).execute(
            text("SELECT app.move_beneficiary(:id, :version, :village, :street, :rt, :rw)"),
            {"id": row.id, "version": version, "village": body.village_code, **address},
        )
    ).scalar()
    if moved is None:
        raise DomainError("stale_version")
    await record_access(session, [row.id], purpose="move", reason=body.reason)
    return Moved(
        id=row.id, village_code=body.village_code, in_scope=scope_of(session).contains(body.village_code), version=moved
    )


async def search(reader: Reader, keyring: Keyring, body: BeneficiarySearch) -> Page:
    """Exact by blind index; by name with trigram similarity inside the caller's area."""
    filters: dict[str, Any] = {
        "nik_index": keyring.blind_index(_NIK, body.nik) if body.nik else None,
        "family_card_index": keyring.blind_index(_CARD, body.family_card_number) if body.family_card_number else None,
        "birth_date": body.birth_date,
        "village_code": body.village_code,
        "name": body.name,
    }
    given = {name: value for name, value in filters.items() if value is not None}
    resource = FOUND_BY_NAME if body.name else FOUND_EXACTLY
    return await reader.page(resource, PageRequest(body.limit, resource.default_sort, given))


async def reveal(session: AsyncSession, key: UUID, body: Reveal, per_hour: int) -> Revealed:
    """The full identity numbers asked for, after recording who read them and why (UU 27/2022 Pasal 31).

    Raises too_many_requests when the caller has revealed `per_hour` times within the hour.
    """
    if body.purpose not in codes("reveal_purposes"):
        raise invalid("/purpose", "unknown_code", list="reveal_purposes")
    await take_strictly(session, "reveal", per_hour, _HOUR_SECONDS)
    row = await load(session, Beneficiary, key)
    await record_access(session, [row.id], purpose=body.purpose, reason=body.reason, fields=body.fields)
    keyring = keyring_of(session)
    return Revealed(
        nik=_open_nik(keyring, row) if "nik" in body.fields else None,
        family_card_number=_open_card(keyring, row) if "family_card_number" in body.fields else None,
    )


async def full_nik(session: AsyncSession, row: Beneficiary) -> str | None:
    """The full NIK for a document the system itself makes (a letter must carry it)."""
    return _open_nik(keyring_of(session), row)


def nik_index(keyring: Keyring, nik: str) -> bytes:
    """The blind index under which a person with this NIK is found."""
    return keyring.blind_index(_NIK, nik)


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the person is not the caller's to see."""
    await reader.one(BENEFICIARIES, key)


def _facts(source: Any) -> dict[str, Any]:
    return {name: getattr(source, name) for name in ("birth_date", "sex", "ppks_categories")}


async def _warnings(
    session: AsyncSession, nik: str | None, facts: Mapping[str, Any], region: Region
) -> list[dict[str, str]]:
    today = local_today(region.timezone)
    known = True
    if nik is not None:
        district = f"{nik[:2]}.{nik[2:4]}.{nik[4:6]}"
        known = region.code.startswith(district) or await find_region(session, district) is not None
    chosen = [item for item in LISTS["ppks_categories"].items if item.code in facts["ppks_categories"]]
    hints: Any = [
        (item.code, *(item.attributes.get(name) for name in ("min_age", "max_age", "sex"))) for item in chosen
    ]
    found = identity_warnings(
        nik, facts["birth_date"], facts["sex"], region.code, nik_region_known=known, today=today
    ) + category_warnings(hints, age_on(facts["birth_date"], today), facts["sex"])
    # Kept with their Indonesian words, so that reading costs nothing; other languages look the code up.
    return [{"code": code, "detail": label("beneficiary_warnings", code, "id")} for code in found]


def _check_codes(relationship: str | None, categories: list[str]) -> None:
    if relationship is not None and relationship not in codes("relationships"):
        raise invalid("/relationship", "unknown_code", list="relationships")
    for index, category in enumerate(categories):
        if category not in codes("ppks_categories"):
            raise invalid(f"/ppks_categories/{index}", "unknown_code", list="ppks_categories")
    if len(set(categories)) != len(categories):
        raise invalid("/ppks_categories", "duplicate_entry")


def _seal_nik(keyring: Keyring, row: Beneficiary, nik: str | None) -> None:
    row.nik_cipher = keyring.encrypt(_NIK, str(row.id), nik.encode()) if nik else None
    row.nik_index = keyring.blind_index(_NIK, nik) if nik else None
    row.nik_last4 = nik[-4:] if nik else None


def _seal_card(keyring: Keyring, row: Beneficiary, number: str | None) -> None:
    row.family_card_cipher = keyring.encrypt(_CARD, str(row.id), number.encode()) if number else None
    row.family_card_index = keyring.blind_index(_CARD, number) if number else None
    row.family_card_last4 = number[-4:] if number else None


def _open_nik(keyring: Keyring, row: Beneficiary) -> str | None:
    return keyring.decrypt(_NIK, str(row.id), bytes(row.nik_cipher)).decode() if row.nik_cipher else None


def _open_card(keyring: Keyring, row: Beneficiary) -> str | None:
    return (
        keyring.decrypt(_CARD, str(row.id), bytes(row.family_card_cipher)).decode() if row.family_card_cipher else None
    )
