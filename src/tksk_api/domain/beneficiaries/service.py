"""Registering, correcting, moving and withdrawing people; searching and revealing."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asyncpg import UniqueViolationError
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Page, PageRequest, Reader, ReadPool, Stored
from tksk_api.database.session import scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES, FOUND_BY_NAME, FOUND_EXACTLY
from tksk_api.domain.beneficiaries.rules import age_on, category_warnings, identity_warnings, names_person
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
from tksk_api.domain.history.access import record_access, record_refusal
from tksk_api.domain.limits.service import refuse_used_up, take_apart, take_strictly
from tksk_api.domain.records import create_once, keyring_of, load, merged, patched, refuse_null, save
from tksk_api.domain.references.lists import LISTS, codes, label
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import find_region, local_today, require_region
from tksk_api.domain.subject_keys.service import vault_of, vault_to_fill, vaults_of
from tksk_api.errors import DomainError, invalid
from tksk_api.security.crypto import Keyring
from tksk_api.security.vault import Vault

NIK = "beneficiaries.nik"
CARD = "beneficiaries.family_card"
EXISTS = "exists"  # the quota of answers that tell whether a number is registered beyond one's own area
_HOUR_SECONDS = 3600
_NIK_IS_UNIQUE = "uq_beneficiaries_nik_index"
# Above this package: applications and referrals know people, people do not know them.
_IN_USE = text(
    "SELECT EXISTS (SELECT 1 FROM sktm_applications WHERE (beneficiary_id = :id OR :id = ANY (dependants)) "
    "AND status NOT IN ('rejected', 'cancelled', 'revoked')) "
    "OR EXISTS (SELECT 1 FROM referrals WHERE beneficiary_id = :id "
    "AND status NOT IN ('rejected', 'cancelled', 'ended'))"
)


async def create(session: AsyncSession, pool: ReadPool, body: BeneficiaryCreate, exists_per_hour: int) -> Stored:
    """Register a person in a village of the caller's area.

    Raises invalid_request, id_in_use, nik_taken, which says nothing about where the other record lies, and
    too_many_requests: nik_taken of people elsewhere tells what `exists` tells, and shares its quota.
    """
    if not scope_of(session).contains(body.village_code):
        raise invalid("/village_code", "outside_scope")
    region = await require_region(session, body.village_code, "/village_code", "village")
    _check_codes(body.relationship, body.ppks_categories)
    if body.nik is not None:
        await refuse_used_up(session, EXISTS, exists_per_hour, _HOUR_SECONDS)
    row_id = body.id or new_id()
    vault = await vault_to_fill(session, row_id)
    warnings = await _warnings(session, body.nik, _facts(body), region)

    def build() -> Beneficiary:
        row = Beneficiary(
            id=row_id,
            region_code=body.village_code,
            warnings=warnings,
            **body.address.model_dump(),
            **body.model_dump(exclude={"id", "nik", "family_card_number", "address", "village_code"}),
        )
        _seal_nik(vault, row, body.nik)
        _seal_card(vault, row, body.family_card_number)
        return row

    try:
        return await create_once(session, BENEFICIARIES, body, Beneficiary, build)
    except UniqueViolationError as error:
        if body.nik is None or error.constraint_name != _NIK_IS_UNIQUE:
            raise
        await _count_taken(session, pool, body.nik, exists_per_hour)
        raise DomainError("nik_taken") from error


async def update(session: AsyncSession, key: UUID, version: int, patch: BeneficiaryUpdate) -> Stored:
    """Correct what was written wrongly. Raises invalid_request, stale_version, not_found."""
    row = await load(session, Beneficiary, key, version)
    refuse_null(patch, "nik_status", "full_name", "birth_date", "sex", "address", "ppks_categories")
    changes = patched(patch)
    _check_codes(changes.get("relationship"), changes.get("ppks_categories") or [])
    if "nik_status" in changes and row.nik_index is None:
        raise invalid("/nik_status", "nik_status_mismatch")
    if "family_card_number" in changes:
        _seal_card(await vault_to_fill(session, key), row, changes.pop("family_card_number"))
    if "address" in changes:
        now = {name: getattr(row, name) for name in Address.model_fields}
        address = merged(Address, now, changes.pop("address"), "/address")
        assert address is not None  # refused above
        changes |= address.__dict__
    for name, value in changes.items():
        setattr(row, name, value)
    if changes.keys() & {"birth_date", "sex", "ppks_categories"}:
        region = await require_region(session, row.region_code or "", "/village_code")
        row.warnings = await _warnings(session, await full_nik(session, row), _facts(row), region)
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
    _refuse_name(row, body.reason)
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
        "nik_index": keyring.blind_index(NIK, body.nik) if body.nik else None,
        "family_card_index": keyring.blind_index(CARD, body.family_card_number) if body.family_card_number else None,
        "birth_date": body.birth_date,
        "village_code": body.village_code,
        "name": body.name,
    }
    given = {name: value for name, value in filters.items() if value is not None}
    resource = FOUND_BY_NAME if body.name else FOUND_EXACTLY
    return await reader.page(resource, PageRequest(body.limit, resource.default_sort, given))


async def reveal(session: AsyncSession, key: UUID, body: Reveal, per_hour: int) -> Revealed:
    """The full identity numbers asked for, after recording who read them and why (UU 27/2022 Pasal 31).

    Raises processing_restricted, and too_many_requests as `take_full_numbers`.
    """
    if body.purpose not in codes("reveal_purposes"):
        raise invalid("/purpose", "unknown_code", list="reveal_purposes")
    await take_full_numbers(session, per_hour)
    row = await load(session, Beneficiary, key)
    if row.restricted_at is not None:
        raise DomainError("processing_restricted")
    _refuse_name(row, body.reason)
    await record_access(session, [row.id], purpose=body.purpose, reason=body.reason, fields=body.fields)
    vault = await vault_of(session, row.id)
    return Revealed(
        nik=open_nik(vault, row) if "nik" in body.fields else None,
        family_card_number=open_card(vault, row) if "family_card_number" in body.fields else None,
    )


async def take_full_numbers(session: AsyncSession, per_hour: int) -> None:
    """Count one disclosure of full numbers by this caller, whichever way. Raises too_many_requests."""
    await take_strictly(session, "full_numbers", per_hour, _HOUR_SECONDS)


async def are_restricted(session: AsyncSession, people: Collection[UUID]) -> bool:
    """Whether the processing of one of them is restricted, wherever they live now."""
    restricted = select(func.app.is_restricted(list(people)))
    return bool((await (await session.connection()).execute(restricted)).scalar())


async def find_anywhere(session: AsyncSession, nik: str) -> Any:
    """Id, region and `inside` (the caller's area) of whoever is registered with this NIK, or None."""
    person = func.app.find_person(nik_index(keyring_of(session), nik)).table_valued("id", "region_code", "inside")
    return (await (await session.connection()).execute(select(person))).first()


async def _count_taken(session: AsyncSession, pool: ReadPool, nik: str, per_hour: int) -> None:
    """Leave on record whom nik_taken is about to tell of, and count it when they live elsewhere."""
    await session.rollback()  # the violation ended the transaction
    found = await find_anywhere(session, nik)
    await record_refusal(session, "refused", "exists", None, [found.id] if found else [])
    if found is None or not scope_of(session).contains(found.region_code):
        await take_apart(session, pool, EXISTS, per_hour, _HOUR_SECONDS)


async def full_nik(session: AsyncSession, row: Beneficiary) -> str | None:
    """The full NIK for what the system itself does with it."""
    return open_nik(await vault_of(session, row.id), row)


async def full_niks(session: AsyncSession, people: Collection[Beneficiary]) -> dict[UUID, str | None]:
    """The full NIK of everybody a document names (a letter must carry it)."""
    vaults = await vaults_of(session, [person.id for person in people])
    return {person.id: open_nik(vaults[person.id], person) for person in people}


def nik_index(keyring: Keyring, nik: str) -> bytes:
    """The blind index under which a person with this NIK is found."""
    return keyring.blind_index(NIK, nik)


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the person is not the caller's to see."""
    await reader.one(BENEFICIARIES, key)


def _refuse_name(row: Beneficiary, reason: str) -> None:
    """Reasons go into the access log, which is sealed: an erasure could not take a name out of it again."""
    if names_person(reason, row.full_name):
        raise invalid("/reason", "name_in_text")


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


def _seal_nik(vault: Vault, row: Beneficiary, nik: str | None) -> None:
    row.nik_cipher = vault.seal(NIK, str(row.id), nik.encode()) if nik else None
    row.nik_index = nik_index(vault.keyring, nik) if nik else None
    row.nik_last4 = nik[-4:] if nik else None


def _seal_card(vault: Vault, row: Beneficiary, number: str | None) -> None:
    row.family_card_cipher = vault.seal(CARD, str(row.id), number.encode()) if number else None
    row.family_card_index = vault.keyring.blind_index(CARD, number) if number else None
    row.family_card_last4 = number[-4:] if number else None


def open_nik(vault: Vault, row: Beneficiary) -> str | None:
    """The full NIK; whoever shows it leaves an access row that says so."""
    return vault.open(NIK, str(row.id), bytes(row.nik_cipher)).decode() if row.nik_cipher else None


def open_card(vault: Vault, row: Beneficiary) -> str | None:
    """The full family card number, as `open_nik`."""
    return vault.open(CARD, str(row.id), bytes(row.family_card_cipher)).decode() if row.family_card_cipher else None
