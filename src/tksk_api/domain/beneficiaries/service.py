"""Registering, correcting, moving and withdrawing people; searching and revealing."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import UniqueViolationError
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, ReadPool, Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.categories import (
    SENSITIVE,
    ordinary,
    refuse_sensitive,
    sees_sensitive,
    set_sensitive,
)
from tksk_api.domain.beneficiaries.hints import facts_of, renewed_warnings, warnings_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES
from tksk_api.domain.beneficiaries.rules import names_person
from tksk_api.domain.beneficiaries.schemas import (
    Address,
    BeneficiaryCreate,
    BeneficiaryUpdate,
    Move,
    Moved,
    Reveal,
    Revealed,
)
from tksk_api.domain.history.access import record_access, record_refusal
from tksk_api.domain.history.reasons import give_reason
from tksk_api.domain.limits.service import refuse_used_up, take_apart, take_strictly
from tksk_api.domain.records import create_once, keyring_of, load, merged, patched, refuse_null, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import find_region, require_region, valid_region
from tksk_api.domain.subject_keys.service import vault_of, vault_to_fill, vaults_of
from tksk_api.errors import DomainError, FieldError, invalid
from tksk_api.security.crypto import Keyring
from tksk_api.security.vault import Vault

NIK = "beneficiaries.nik"
CARD = "beneficiaries.family_card"
EXISTS = "exists"  # the quota of answers that tell whether a number is registered beyond one's own area
HOUR_SECONDS = 3600
NIK_IS_UNIQUE = "uq_beneficiaries_nik_index"
# Above this package: applications and referrals know people, people do not know them.
_IN_USE = text(
    "SELECT EXISTS (SELECT 1 FROM sktm_applications WHERE (beneficiary_id = :id OR :id = ANY (dependants)) "
    "AND status NOT IN ('rejected', 'cancelled', 'revoked')) "
    "OR EXISTS (SELECT 1 FROM referrals WHERE beneficiary_id = :id "
    "AND status NOT IN ('rejected', 'cancelled', 'ended'))"
)
# As `_IN_USE`, of many people: each table is asked once, by its index.
_IN_USE_AMONG = text("""
SELECT beneficiary_id FROM sktm_applications
 WHERE beneficiary_id = ANY (CAST(:people AS uuid[])) AND status NOT IN ('rejected', 'cancelled', 'revoked')
UNION SELECT d FROM sktm_applications a CROSS JOIN LATERAL unnest(a.dependants) AS d
 WHERE a.dependants && CAST(:people AS uuid[]) AND a.status NOT IN ('rejected', 'cancelled', 'revoked')
UNION SELECT beneficiary_id FROM referrals
 WHERE beneficiary_id = ANY (CAST(:people AS uuid[])) AND status NOT IN ('rejected', 'cancelled', 'ended')
""")
_LOCK_FAMILIES = text("SELECT app.lock_family_of(p) FROM unnest(CAST(:people AS uuid[])) AS p")
_WITHDRAW = text("""
UPDATE public.beneficiaries b SET deleted_at = clock_timestamp()
  FROM unnest(CAST(:people AS uuid[]), CAST(:versions AS integer[])) AS w (id, version)
 WHERE b.id = w.id AND b.version = w.version AND b.deleted_at IS NULL
""")


class SealedCard(NamedTuple):
    """A family card number as a record holds it."""

    cipher: bytes | None
    blind_index: bytes | None
    last4: str | None


_NO_CARD = SealedCard(None, None, None)
# Members of a registration that are columns of the same name.
_AS_GIVEN = (
    *("nik_status", "full_name", "birth_place", "birth_date", "sex"),
    *("phone", "message_channel", "relationship", "notes"),
)
# What warnings are about.
WARNED_OF = frozenset({"full_name", "birth_date", "sex", "ppks_categories"})


async def create(session: AsyncSession, pool: ReadPool, body: BeneficiaryCreate, exists_per_hour: int) -> Stored:
    """Register a person in a village of the caller's area.

    Raises invalid_request, id_in_use, nik_taken, which says nothing about where the other record lies, nik_of_deceased
    of somebody inside the area, and too_many_requests: nik_taken of people elsewhere tells what `exists` tells, and
    shares its quota.
    """
    region = check_new(session, body, await find_region(session, body.village_code))
    if body.nik is not None:
        await refuse_used_up(session, EXISTS, exists_per_hour, HOUR_SECONDS)
    row_id = body.id or new_id()
    vault = await vault_to_fill(session, row_id)
    warnings = await warnings_of(session, body.nik, facts_of(body), region)

    def build() -> Beneficiary:
        return Beneficiary(**written(session, vault, body, row_id, warnings))

    try:
        stored = await create_once(session, BENEFICIARIES, body, Beneficiary, build)
    except UniqueViolationError as error:
        if body.nik is None or error.constraint_name != NIK_IS_UNIQUE:
            raise
        raise await taken(session, pool, body.nik, exists_per_hour) from error
    if not stored.created or SENSITIVE.isdisjoint(body.ppks_categories):
        return stored
    await set_sensitive(session, row_id, body.village_code, body.ppks_categories)
    return await BENEFICIARIES.stored(session, row_id, created=True)


def check_new(session: AsyncSession, body: BeneficiaryCreate, region: Region | None) -> Region:
    """What a registration is refused for before anybody else is looked at; `region` is what was found of its village.

    Raises invalid_request.
    """
    if not scope_of(session).contains(body.village_code):
        raise invalid("/village_code", "outside_scope")
    village = valid_region(region, "/village_code", "village")
    _check_codes(body.relationship, body.ppks_categories)
    refuse_sensitive(session, body.ppks_categories, "/ppks_categories")
    return village


def written(
    session: AsyncSession, vault: Vault, body: BeneficiaryCreate, row_id: UUID, warnings: list[dict[str, str]]
) -> dict[str, Any]:
    """The columns that a registration fills, beside those of every record; numbers are sealed in the person's vault."""
    is_verified = body.nik_status == "verified"
    return {
        **body.address.__dict__,
        **{name: getattr(body, name) for name in _AS_GIVEN},
        "id": row_id,
        "region_code": body.village_code,
        "ppks_categories": ordinary(body.ppks_categories),
        "warnings": warnings,
        "nik_verified_at": datetime.now(UTC) if is_verified else None,
        "nik_verified_by": principal_of(session).user_id if is_verified else None,
        **_nik_columns(vault, row_id, body.nik),
        **_card_columns(vault, row_id, body.family_card_number),
    }


async def update(
    session: AsyncSession, key: UUID, version: int, patch: BeneficiaryUpdate, *, ordinary_only: bool = False
) -> Stored:
    """Correct what was written wrongly. Raises invalid_request, nik_verified, stale_version, not_found.

    A caller who may not see sensitive categories replaces the ordinary ones alone, and so does one who was given the
    ordinary ones alone to decide about (`ordinary_only`).
    """
    # A sensitive code alone changes nothing in the row: the lock makes a second one wait who replaces them, too.
    row = await load(session, Beneficiary, key, version, lock="ppks_categories" in patch.model_fields_set)
    correct(session, row, patch)
    if "family_card_number" in patch.model_fields_set:
        seal_card(await vault_to_fill(session, key), row, patch.family_card_number)
    if patch.model_fields_set & WARNED_OF:
        region = await require_region(session, row.region_code or "", "/village_code")
        row.warnings = await renewed_warnings(session, row, await full_nik(session, row), region)
    categories = patch.ppks_categories
    if categories is not None and sees_sensitive(session) and not ordinary_only:
        await session.flush()
        await set_sensitive(session, key, row.region_code, categories)
    return await save(session, BENEFICIARIES, row)


def correct(session: AsyncSession, row: Beneficiary, patch: BeneficiaryUpdate) -> None:
    """Put on the record what a correction says, but for the family card, which a vault seals, and sensitive categories.

    Warnings are to be renewed afterwards. Raises invalid_request, nik_verified.
    """
    refuse_null(patch, "nik_status", "full_name", "birth_date", "sex", "address", "ppks_categories")
    changes = patched(patch)
    changes.pop("family_card_number", None)
    _check_codes(changes.get("relationship"), changes.get("ppks_categories") or [])
    if row.deceased_on is not None and changes.get("birth_date", row.birth_date) > row.deceased_on:
        raise invalid("/birth_date", "after_death")
    if "nik_status" in changes:
        _change_status(session, row, changes["nik_status"])
    if "ppks_categories" in changes:
        refuse_sensitive(session, changes["ppks_categories"], "/ppks_categories")
        changes["ppks_categories"] = ordinary(changes["ppks_categories"])
    if "address" in changes:
        now = {name: getattr(row, name) for name in Address.model_fields}
        address = merged(Address, now, changes.pop("address"), "/address")
        assert address is not None  # refused above
        changes |= address.__dict__
    for name, value in changes.items():
        setattr(row, name, value)


async def withdraw(session: AsyncSession, key: UUID, version: int) -> None:
    """Take a wrongly registered person off the register; the row and its history are kept.

    The database takes them out of their family. Raises still_in_use while an application, a letter or a referral of
    theirs runs.
    """
    await lock_family(session, key)
    row = await load(session, Beneficiary, key, version)
    if (await (await session.connection()).execute(_IN_USE, {"id": key})).scalar():
        raise DomainError("still_in_use")
    row.deleted_at = datetime.now(UTC)
    await session.flush()


async def withdraw_many(session: AsyncSession, versions: Mapping[UUID, int]) -> None:
    """As `withdraw`, of those who are not `in_use_among` them and are locked at these versions."""
    if not versions:
        return
    gone = {"people": list(versions), "versions": list(versions.values())}
    written: Any = await (await session.connection()).execute(_WITHDRAW, gone)
    if written.rowcount != len(versions):
        raise DomainError("stale_version")


async def in_use_among(session: AsyncSession, people: Collection[UUID]) -> set[UUID]:
    """Those of whom an application, a letter or a referral runs."""
    return set((await (await session.connection()).execute(_IN_USE_AMONG, {"people": list(people)})).scalars())


async def lock_families(session: AsyncSession, people: Collection[UUID]) -> None:
    """As `lock_family`, in the order of their ids."""
    await (await session.connection()).execute(_LOCK_FAMILIES, {"people": sorted(people)})


async def lock_family(session: AsyncSession, person: UUID) -> None:
    """Before a change of a person that the database carries on to their family, also to one that the caller does not
    see: the family first, then its people, as its own actions do. Otherwise two would wait for each other."""
    await (await session.connection()).execute(select(func.app.lock_family_of(person)))


async def move(session: AsyncSession, key: UUID, version: int, body: Move) -> Moved:
    """The person now lives in another village, perhaps beyond the caller's area: then the caller lets go of them."""
    row = await load(session, Beneficiary, key, version)
    _refuse_name(row, body.reason)
    await require_region(session, body.village_code, "/village_code", "village")
    await give_reason(session, body.reason, about=row.id)
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
    await take_strictly(session, "full_numbers", per_hour, HOUR_SECONDS)


async def are_restricted(session: AsyncSession, people: Collection[UUID]) -> bool:
    """Whether the processing of one of them is restricted, wherever they live now."""
    restricted = select(func.app.is_restricted(list(people)))
    return bool((await (await session.connection()).execute(restricted)).scalar())


async def find_anywhere(session: AsyncSession, nik: str) -> Any:
    """Id, region and `inside` (the caller's area) of whoever is registered with this NIK, or None."""
    person = func.app.find_person(nik_index(keyring_of(session), nik)).table_valued("id", "region_code", "inside")
    return (await (await session.connection()).execute(select(person))).first()


async def taken(session: AsyncSession, pool: ReadPool, nik: str, per_hour: int) -> DomainError:
    """The refusal of a NIK that is registered: nik_taken, or nik_of_deceased where the caller sees who died.

    Leaves on record whom it is about to tell of, and counts it when they live elsewhere.
    """
    await session.rollback()  # the violation ended the transaction
    found = await find_anywhere(session, nik)
    await record_refusal(session, "refused", "exists", None, [found.id] if found else [])
    if found is None or not scope_of(session).contains(found.region_code):
        await take_apart(session, pool, EXISTS, per_hour, HOUR_SECONDS)
        return DomainError("nik_taken")
    has_died = (await (await session.connection()).execute(select(func.app.died(found.id)))).scalar()
    return DomainError("nik_of_deceased" if has_died else "nik_taken")


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


async def unknown_person(session: AsyncSession, key: UUID, pointer: str) -> FieldError:
    """What to say of somebody whom a body names and who is not there: merged_person with the id of the record that
    stands, or unknown_reference, which a person outside the caller's area answers like a missing one."""
    merged_into = select(Beneficiary.merged_into).where(Beneficiary.id == key)  # type: ignore[call-overload]
    stands = (await session.execute(merged_into)).scalar()
    if stands is None:
        return FieldError(pointer, "unknown_reference")
    return FieldError(pointer, "merged_person", {"merged_into": stands})


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the person is not the caller's to see."""
    await reader.one(BENEFICIARIES, key)


def _refuse_name(row: Beneficiary, reason: str) -> None:
    """Reasons go into the access log, which is sealed: an erasure could not take a name out of it again."""
    if names_person(reason, row.full_name):
        raise invalid("/reason", "name_in_text")


def _check_codes(relationship: str | None, categories: list[str]) -> None:
    if relationship is not None and relationship not in codes("relationships"):
        raise invalid("/relationship", "unknown_code", list="relationships")
    for index, category in enumerate(categories):
        if category not in codes("ppks_categories"):
            raise invalid(f"/ppks_categories/{index}", "unknown_code", list="ppks_categories")
    if len(set(categories)) != len(categories):
        raise invalid("/ppks_categories", "duplicate_entry")


def note_verified(session: AsyncSession, row: Beneficiary, document: str | None) -> None:
    """Who compared the NIK with which paper, and when; without a paper the caller vouches for it."""
    row.nik_status, row.nik_verified_document = "verified", document
    row.nik_verified_at, row.nik_verified_by = datetime.now(UTC), principal_of(session).user_id


def _change_status(session: AsyncSession, row: Beneficiary, status: str) -> None:
    """Raises invalid_request (nik_status_mismatch) without a NIK; nik_verified: what was verified stays so."""
    if row.nik_index is None:
        raise invalid("/nik_status", "nik_status_mismatch")
    if row.nik_status == "verified" and status != "verified":
        raise DomainError("nik_verified")
    if row.nik_status != status:
        note_verified(session, row, None)


def seal_nik(vault: Vault, row: Beneficiary, nik: str | None) -> None:
    """Put a NIK on a person's record, under their own key; None takes it off."""
    for name, value in _nik_columns(vault, row.id, nik).items():
        setattr(row, name, value)


def _nik_columns(vault: Vault, key: UUID, nik: str | None) -> dict[str, Any]:
    if nik is None:
        return {"nik_cipher": None, "nik_index": None, "nik_last4": None}
    sealed = vault.seal(NIK, str(key), nik.encode())
    return {"nik_cipher": sealed, "nik_index": nik_index(vault.keyring, nik), "nik_last4": nik[-4:]}


def has_card(keyring: Keyring, row: Beneficiary, number: str) -> bool:
    """Whether this is the person's family card number already."""
    return row.family_card_index is not None and bytes(row.family_card_index) == keyring.blind_index(CARD, number)


def seal_card(vault: Vault, row: Beneficiary, number: str | None) -> None:
    """Put a family card number on a person's record, under their own key; None takes it off."""
    for name, value in _card_columns(vault, row.id, number).items():
        setattr(row, name, value)


def _card_columns(vault: Vault, key: UUID, number: str | None) -> dict[str, Any]:
    card = sealed_card(vault, key, number) if number else _NO_CARD
    return {
        "family_card_cipher": card.cipher,
        "family_card_index": card.blind_index,
        "family_card_last4": card.last4,
    }


def sealed_card(vault: Vault, key: UUID, number: str) -> SealedCard:
    """A family card number as the record of the person with this key holds it."""
    sealed = vault.seal(CARD, str(key), number.encode())
    return SealedCard(sealed, vault.keyring.blind_index(CARD, number), number[-4:])


def open_nik(vault: Vault, row: Beneficiary) -> str | None:
    """The full NIK; whoever shows it leaves an access row that says so."""
    return vault.open(NIK, str(row.id), bytes(row.nik_cipher)).decode() if row.nik_cipher else None


def open_card(vault: Vault, row: Beneficiary) -> str | None:
    """The full family card number, as `open_nik`."""
    return vault.open(CARD, str(row.id), bytes(row.family_card_cipher)).decode() if row.family_card_cipher else None
