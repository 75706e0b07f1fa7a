"""People by the thousand: the rules of a registration and of a correction, a page of rows at a time.

What a row is refused for, what is written of it and which warnings it gets is decided by the functions that a request
uses (`domain/beneficiaries`); only looking up and writing are done for the whole page at once, in a fixed number of
statements. Work of Python alone runs in a thread, so that requests go on meanwhile.

A row is somebody of the importer's area by the NIK, or else by the id. Somebody registered elsewhere is refused as a
request would be, with the same words; the job counts those answers. Village, NIK and death change by their own actions,
never by a file.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries import service as people
from tksk_api.domain.beneficiaries.categories import SENSITIVE, sees_sensitive, set_sensitive
from tksk_api.domain.beneficiaries.hints import (
    district_of,
    facts_of,
    names_on_papers,
    still_cleaned,
    warnings_about,
)
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.schemas import Address, BeneficiaryCreate, BeneficiaryUpdate
from tksk_api.domain.duplicates.intake import COMPARED, Subject, look_at_many
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.contract import Column, Fate, Fault, Kind, Named, OnMatch, Parsed
from tksk_api.domain.imports.kinds.one_by_one import faults_of
from tksk_api.domain.proposals.service import raise_from_import
from tksk_api.domain.records import create_digest, keyring_of
from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import find_regions
from tksk_api.domain.subject_keys.service import keep_vaults, new_vaults, vaults_of, vaults_to_fill
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission
from tksk_api.security.vault import Vault

_ADDRESS = tuple(Address.model_fields)
# What a correction may write; the history, the versions and the hints follow.
_CORRECTED = (
    *("full_name", "birth_place", "birth_date", "sex", "street", "rt", "rw", "phone", "message_channel"),
    *("relationship", "ppks_categories", "notes", "warnings"),
    *("nik_status", "nik_verified_at", "nik_verified_by", "nik_verified_document"),
    *("family_card_cipher", "family_card_index", "family_card_last4"),
)
# Columns of a new row and their types; categories and warnings travel as text.
_INSERTED = {
    "id": "uuid",
    "region_code": "text",
    "created_by": "uuid",
    "create_digest": "bytea",
    "nik_cipher": "bytea",
    "nik_index": "bytea",
    "nik_last4": "text",
    "nik_status": "text",
    "nik_verified_at": "timestamptz",
    "nik_verified_by": "uuid",
    "full_name": "text",
    "birth_place": "text",
    "birth_date": "date",
    "sex": "text",
    "street": "text",
    "rt": "text",
    "rw": "text",
    "phone": "text",
    "message_channel": "text",
    "family_card_cipher": "bytea",
    "family_card_index": "bytea",
    "family_card_last4": "text",
    "relationship": "text",
    "ppks_categories": "text",
    "notes": "text",
    "warnings": "text",
}
_AS_WRITTEN = {"ppks_categories": "string_to_array(r.ppks_categories, ',')", "warnings": "r.warnings::jsonb"}
# In the order of the numbers, so that two files that name the same people wait for each other instead of deadlocking.
# Who was faster is left alone: their rows are not returned.
_INSERT = (
    f"INSERT INTO public.beneficiaries (version, {', '.join(_INSERTED)}) "
    f"SELECT 1, {', '.join(_AS_WRITTEN.get(name, f'r.{name}') for name in _INSERTED)} FROM unnest("
    + ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(_INSERTED.values(), start=1))
    + f") AS r ({', '.join(_INSERTED)}) ORDER BY r.nik_index, r.id ON CONFLICT DO NOTHING RETURNING id"
)
_BY_NIK = text("SELECT * FROM app.find_people(CAST(:asked AS bytea[]))")
# A record as JSON has it replaces what the row holds of it: for a correction, and to put back what one replaced.
_WRITE = text(f"""
UPDATE public.beneficiaries b SET {", ".join(f"{name} = n.{name}" for name in _CORRECTED)}
  FROM (SELECT (jsonb_populate_record(o, w.changes)).*
          FROM jsonb_to_recordset(CAST(:written AS jsonb)) AS w (id uuid, version integer, changes jsonb)
          JOIN public.beneficiaries o ON o.id = w.id AND o.version = w.version AND o.deleted_at IS NULL) AS n
 WHERE b.id = n.id RETURNING b.id, b.version
""")
_SENSITIVE = text(
    "SELECT beneficiary_id, category FROM ppks_assessments "
    "WHERE beneficiary_id = ANY (CAST(:people AS uuid[])) AND sensitive AND status = 'active'"
)
# Above this package: what was built on a registration names the person.
_BUILT_ON = text("""
SELECT p.id, x.records FROM unnest(CAST(:people AS uuid[])) AS p (id) CROSS JOIN LATERAL (
    SELECT 'visits' AS records WHERE EXISTS (SELECT 1 FROM visits v WHERE v.beneficiary_id = p.id)
    UNION ALL SELECT 'families'
     WHERE EXISTS (SELECT 1 FROM family_members m WHERE m.beneficiary_id = p.id AND m.left_on IS NULL)
    UNION ALL SELECT 'attachments' WHERE EXISTS (SELECT 1 FROM attachments t WHERE t.beneficiary_id = p.id)
    UNION ALL SELECT 'activities' WHERE EXISTS (SELECT 1 FROM activities a WHERE a.beneficiary_ids @> ARRAY[p.id])) x
""")


_SIZE = text("SELECT pg_relation_size('public.beneficiaries')")
_GROWN, _PLANNED_FOR = 1.5, "tksk.planned_for"
_VILLAGE_LENGTH = len("18.71.04.1002")
_OFFICES = frozenset({"kel", "kelurahan", "desa", "ds", "kec", "kecamatan", "gampong", "nagari"})
_VILLAGES = text("""
SELECT v.code, x.village, x.district FROM regions v JOIN regions d ON d.code = v.parent_code
  CROSS JOIN LATERAL (SELECT btrim(lower(regexp_replace(v.name, '[^[:alnum:]_]+', ' ', 'g'))) AS village,
                             btrim(lower(regexp_replace(d.name, '[^[:alnum:]_]+', ' ', 'g'))) AS district) x
 WHERE v.level = 'village' AND v.valid_until IS NULL AND x.village = ANY (CAST(:names AS text[]))
""")


def _key(values: Mapping[str, Any]) -> str | None:
    """Two rows of a file are one person by the NIK, or by the id where there is none."""
    return values.get("nik") or (str(values["id"]) if values.get("id") else None)


async def named(session: AsyncSession, rows: Sequence[Parsed]) -> Mapping[int, Named]:
    """`Kind.named`: the person of the importer's area with this NIK, or whom the id says, who may be new."""
    keyring = keyring_of(session)
    with_nik = [row for row in rows if row.values.get("nik")]
    asked = [people.nik_index(keyring, row.values["nik"]) for row in with_nik]
    found = (await (await session.connection()).execute(_BY_NIK, {"asked": asked})).all() if asked else ()
    by_nik = {with_nik[one.place - 1].number: one.id for one in found if one.inside}
    return {row.number: Named(_key(row.values), by_nik.get(row.number) or row.values.get("id")) for row in rows}


async def apply(session: AsyncSession, rows: Sequence[Parsed], on_match: OnMatch) -> Sequence[Fate]:
    """`Kind.apply`. Two files at once wait for each other; whoever was faster has registered the person."""
    await _plan_anew(session)
    given = {row.number: {name: value for name, value in row.values.items() if value is not None} for row in rows}
    page = _Page(session, {row.number: row for row in rows}, given, {})
    for row in rows:
        if row.faults:
            page.refuse(row.number, row.faults)
    await _find_villages(page)
    known = await _match(page, lock=on_match == "update")
    _refuse_repeated(page, known)
    met = {number: person for number, person in known.items() if not page.is_decided(number)}
    if on_match == "update":
        await _update(page, met)
    elif on_match == "park":
        await _park(page, met)
    for number, person in met.items():
        if not page.is_decided(number):
            page.leave(number, person)
    await _create(page)
    late = [row for row in rows if not page.is_decided(row.number)]
    decided = page.fates | {fate.number: fate for fate in (await apply(session, late, on_match) if late else ())}
    return [decided[row.number] for row in rows]


async def _plan_anew(session: AsyncSession) -> None:
    """A file may fill an empty register within minutes; plans made for the empty one would walk it whole.

    Planning everything that writing a person asks for takes as long as a hundred rows, so it is done anew only when the
    register has grown by half since this connection last did.
    """
    connection = await session.connection()
    size = (await connection.execute(_SIZE)).scalar_one()
    if size > _GROWN * connection.info.get(_PLANNED_FOR, -1):
        await connection.execute(text("DISCARD PLANS"))
        connection.info[_PLANNED_FOR] = size


@dataclass(frozen=True)
class _Page:
    """Rows by number, what each gives (an empty cell gives nothing), and what became of those decided already."""

    session: AsyncSession
    rows: Mapping[int, Parsed]
    given: Mapping[int, dict[str, Any]]
    fates: dict[int, Fate]

    def is_decided(self, number: int) -> bool:
        return number in self.fates

    def waiting(self) -> Iterable[tuple[int, dict[str, Any]]]:
        return [(number, given) for number, given in self.given.items() if number not in self.fates]

    def decide(self, number: int, fate: Any, more: Sequence[Fault] = (), **what: Any) -> None:
        notes = (*self.rows[number].notes, *more)
        self.fates[number] = Fate(number, fate, notes=notes, **what)

    def refuse(self, number: int, faults: Sequence[Fault], tells_of: UUID | None = None) -> None:
        self.decide(number, "rejected", faults=tuple(faults), tells_of=tells_of)

    def leave(self, number: int, person: Beneficiary, *notes: Fault) -> None:
        """The person is registered, and stays as they are."""
        died = [Fault(None, "nik_of_deceased")] if person.deceased_on is not None else []
        said = [Fault(None, "exists")] if _differs(self.given[number], person, keyring_of(self.session)) else []
        self.decide(number, "unchanged", [*said, *died, *notes], record_id=person.id, version=person.version)


# Where they live -----------------------------------------------------------------------------------------------------


async def _find_villages(page: _Page) -> None:
    """The village of rows that name it without its code, as other systems do; of those that do not, the importer's own.

    Only villages of the importer's area are thought of; what fits two of them is refused.
    """
    session, scope = page.session, scope_of(page.session)
    named = {
        number: (_plain_name(given.pop("village_name", "")), _plain_name(given.pop("district_name", "")))
        for number, given in page.waiting()
    }
    without = {number: names for number, names in named.items() if "village_code" not in page.given[number]}
    own = [code for code in scope.regions if len(code) == _VILLAGE_LENGTH]
    names = sorted({village for village, _ in without.values() if village})
    found = (await (await session.connection()).execute(_VILLAGES, {"names": names})).all() if names else []
    for number, (village, district) in without.items():
        fits = {
            row.code
            for row in found
            if row.village == village and district in ("", row.district) and scope.contains(row.code)
        }
        if not village and len(own) == len(scope.regions) == 1:
            fits = set(own)
        if len(fits) == 1:
            page.given[number]["village_code"] = fits.pop()
        elif village:
            page.refuse(number, [Fault("village_name", "village_unclear")])


def _plain_name(name: str) -> str:
    """Without what the office is called: "Kel. Srengsem" and "SRENGSEM" are one."""
    words = re.sub(r"[^\w]+", " ", name).lower().split()
    return " ".join(words[1:] if words[:1] and words[0] in _OFFICES and len(words) > 1 else words)


# Who is registered already -------------------------------------------------------------------------------------------


async def _match(page: _Page, *, lock: bool) -> dict[int, Beneficiary]:
    """The person of each row that is somebody registered in the importer's area; of others elsewhere it refuses."""
    session, keyring = page.session, keyring_of(page.session)
    asked = {number: people.nik_index(keyring, given["nik"]) for number, given in page.waiting() if "nik" in given}
    numbers, by_nik = list(asked), dict[int, UUID]()
    found = await (await session.connection()).execute(_BY_NIK, {"asked": list(asked.values())}) if asked else ()
    for row in found:
        number = numbers[row.place - 1]
        if row.inside:
            by_nik[number] = row.id
        else:
            page.refuse(number, [Fault("nik", "nik_taken")], row.id)
    by_id = {number: given["id"] for number, given in page.waiting() if "id" in given}
    registered = await _load(session, {*by_nik.values(), *by_id.values()}, lock=lock)
    known: dict[int, Beneficiary] = {}
    for number, _ in page.waiting():
        mine, named = registered.get(by_nik.get(number)), registered.get(by_id.get(number))
        if named is not None and (mine is None or mine.id != named.id):
            if named.deleted_at is not None or mine is not None:
                page.refuse(number, [Fault("id", "id_in_use")])
                continue
            if number in asked and (named.nik_index is None or bytes(named.nik_index) != asked[number]):
                page.refuse(number, [Fault("nik", "nik_changed")])
                continue
        if (person := mine or named) is not None:
            known[number] = person
    return known


def _refuse_repeated(page: _Page, known: Mapping[int, Beneficiary]) -> None:
    """One row for a person, by whatever number: a second one would be written over the first, or beside it."""
    first: dict[UUID, int] = {}
    for number, given in page.waiting():
        key = known[number].id if number in known else given.get("id")
        if key is not None and (earlier := first.setdefault(key, number)) != number:
            page.refuse(number, [Fault(None, "duplicate_in_file", {"row": earlier})])


async def _load(session: AsyncSession, keys: Iterable[UUID], *, lock: bool) -> dict[UUID | None, Beneficiary]:
    """The records of the importer's area, loose of the session: what is written of them is written at once."""
    query = select(Beneficiary).where(Beneficiary.id.in_(list(keys))).order_by(Beneficiary.id)  # type: ignore[attr-defined, arg-type]
    rows = (await session.execute(query.with_for_update() if lock else query)).scalars().all()
    for row in rows:
        session.expunge(row)
    return {row.id: row for row in rows}


def _differs(given: Mapping[str, Any], person: Beneficiary, keyring: Any) -> bool:
    """Whether the file says something that the register does not."""
    plain = {name: value for name, value in given.items() if name in _CORRECTED or name in _ADDRESS}
    return (
        any(_plain(getattr(person, name)) != _plain(value) for name, value in plain.items())
        or given.get("village_code", person.region_code) != person.region_code
        or ("family_card_number" in given and not people.has_card(keyring, person, given["family_card_number"]))
    )


def _plain(value: Any) -> Any:
    """Of categories the order says nothing, and of sensitive ones a record says nothing; hints are no categories."""
    if not isinstance(value, list) or any(not isinstance(code, str) for code in value):
        return value
    return {code for code in value if code not in SENSITIVE}


# New people ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _New:
    """A registration that nothing is wrong with, as far as it can be known without writing it."""

    number: int
    body: BeneficiaryCreate
    id: UUID
    region: Region
    warnings: list[dict[str, str]]


async def _create(page: _Page) -> None:
    session = page.session
    given = dict(page.waiting())
    if not given:
        return
    wanted = {code for one in given.values() if (code := one.get("village_code"))}
    wanted |= {district_of(one["nik"]) for one in given.values() if "nik" in one}
    regions = await find_regions(session, wanted)
    new, fresh = await asyncio.to_thread(_checked, page, given, regions)
    stored = await keep_vaults(session, fresh)
    records = await asyncio.to_thread(_records, session, new, fresh, stored)
    done = await _insert(session, records)
    await _tell_who_was_faster(page, [one for one in new if one.id not in done])
    written = [one for one in new if one.id in done]
    alike = await look_at_many(
        session, [Subject(one.id, one.body.birth_date, one.body.nik) for one in written], are_new=True
    )
    for one in written:
        if not SENSITIVE.isdisjoint(one.body.ppks_categories):
            await set_sensitive(session, one.id, one.body.village_code, one.body.ppks_categories)
        hints = [warning["code"] for warning in one.warnings] + ["possible_duplicate"] * (one.id in alike)
        page.decide(one.number, "created", [Fault(None, code) for code in hints], record_id=one.id, version=1)


def _checked(
    page: _Page, given: Mapping[int, dict[str, Any]], regions: Mapping[str, Region]
) -> tuple[list[_New], dict[UUID, tuple[Vault, bytes]]]:
    """What a request is checked for, row by row, and keys for those who pass."""
    new = []
    for number, values in given.items():
        try:
            body = BeneficiaryCreate.model_validate(_body(values))
            region = people.check_new(page.session, body, regions.get(body.village_code))
        except (DomainError, ValidationError) as error:
            page.refuse(number, faults_of(error))
            continue
        known = body.nik is None or region.code.startswith(district_of(body.nik)) or district_of(body.nik) in regions
        warnings = warnings_about(body.nik, facts_of(body), region, nik_region_known=known)
        new.append(_New(number, body, body.id or new_id(), region, warnings))
    return new, new_vaults(keyring_of(page.session), [one.id for one in new])


def _body(values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a file as a request would have them."""
    body = {name: value for name, value in values.items() if name not in _ADDRESS}
    address = {name: values[name] for name in _ADDRESS if name in values}
    return {**body, "address": address} if address else body


def _records(
    session: AsyncSession,
    new: Sequence[_New],
    fresh: Mapping[UUID, tuple[Vault, bytes]],
    stored: Mapping[UUID, bytes],
) -> list[dict[str, Any]]:
    """The rows to insert, their numbers sealed."""
    keyring, creator = keyring_of(session), principal_of(session).user_id
    records = []
    for one in new:
        vault = fresh[one.id][0] if one.id not in stored else Vault.opened(keyring, str(one.id), stored[one.id])
        record = people.written(session, vault, one.body, one.id, one.warnings)
        record |= {"created_by": creator, "create_digest": create_digest(keyring, one.body)}
        record |= {
            "ppks_categories": ",".join(record["ppks_categories"]),
            "warnings": json.dumps(record["warnings"], ensure_ascii=False),
        }
        records.append(record)
    return records


async def _insert(session: AsyncSession, records: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """The ids of those that were written."""
    if not records:
        return set()
    # The driver itself, as `Resource.insert`: SQLAlchemy has nothing to add to arrays.
    raw: Any = await (await session.connection()).get_raw_connection()
    columns = ([record[name] for record in records] for name in _INSERTED)
    return {row["id"] for row in await raw.driver_connection.fetch(_INSERT, *columns)}


async def _tell_who_was_faster(page: _Page, late: Sequence[_New]) -> None:
    """Between the look and the writing somebody else registered the NIK, or used the id.

    Where the person is one of this area by now, the row is left to be matched with them.
    """
    for one in late:
        found = await people.find_anywhere(page.session, one.body.nik) if one.body.nik else None
        if found is None:
            page.refuse(one.number, [Fault("id", "id_in_use")])
        elif not found.inside:
            page.refuse(one.number, [Fault("nik", "nik_taken")], found.id)


# People who are registered -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Correction:
    """What a row changes of a person: columns as they are to be, as they were, and the categories behind the policy."""

    number: int
    person: Beneficiary
    before: dict[str, Any]
    changes: dict[str, Any]
    sensitive: list[str] | None


@dataclass(frozen=True)
class _Kept:
    """What the register holds of people beside their records: by person, but for the regions."""

    hidden: Mapping[UUID, set[str]]
    papers: Mapping[UUID, list[tuple[str, str]]]
    vaults: Mapping[UUID, Vault]
    niks: Mapping[UUID, str | None]
    regions: Mapping[str, Region]


async def _update(page: _Page, met: Mapping[int, Beneficiary]) -> None:
    """Correct the people as a request would: only what the file says and the register does not."""
    if not met:
        return
    session, kept = page.session, await _kept(page, met)
    corrections = await asyncio.to_thread(_corrections, page, met, kept)
    changed = [one for one in corrections if one.changes or one.sensitive is not None]
    versions = await _write(session, [(one.person.id, one.person.version, one.changes) for one in changed])
    for one in changed:
        if one.sensitive is not None:
            await set_sensitive(session, one.person.id, one.person.region_code, one.sensitive)
        version = versions.get(one.person.id, one.person.version)
        page.decide(one.number, "updated", record_id=one.person.id, version=version, before=one.before)
    again = [one.person for one in changed if one.changes and COMPARED & page.given[one.number].keys()]
    await look_at_many(session, [Subject(person.id, person.birth_date, None) for person in again], are_new=False)


async def _kept(page: _Page, met: Mapping[int, Beneficiary]) -> _Kept:
    session, ids = page.session, [person.id for person in met.values()]
    vaults = await vaults_of(session, ids)
    numbers = {person.id: page.given[number].get("family_card_number") for number, person in met.items()}
    keyring = keyring_of(session)
    new_cards = [
        person.id
        for person in met.values()
        if (number := numbers[person.id]) is not None and not people.has_card(keyring, person, number)
    ]
    vaults |= await vaults_to_fill(session, new_cards)
    niks = {person.id: people.open_nik(vaults[person.id], person) for person in met.values()}
    places = {person.region_code or "" for person in met.values()} | {district_of(nik) for nik in niks.values() if nik}
    return _Kept(
        await _hidden(session, ids),
        await names_on_papers(session, ids),
        vaults,
        niks,
        await find_regions(session, places),
    )


def _corrections(page: _Page, met: Mapping[int, Beneficiary], kept: _Kept) -> list[_Correction]:
    found = []
    for number, person in met.items():
        if page.given[number].get("village_code", person.region_code) != person.region_code:
            page.refuse(number, [Fault("village_code", "village_changed")])
            continue
        try:
            one = _corrected(page, number, person, kept.vaults[person.id], kept.hidden.get(person.id, set()))
        except (DomainError, ValidationError) as error:
            page.refuse(number, faults_of(error))
            continue
        if one.changes.keys() & people.WARNED_OF:
            _renew_warnings(one, kept)
        found.append(one)
    return found


def _renew_warnings(one: _Correction, kept: _Kept) -> None:
    person, nik = one.person, kept.niks[one.person.id]
    region = kept.regions[person.region_code or ""]
    known = nik is None or region.code.startswith(district_of(nik)) or district_of(nik) in kept.regions
    said, cleaned = kept.papers.get(person.id, []), still_cleaned(person)
    after = warnings_about(nik, facts_of(person), region, said, was_cleaned=cleaned, nik_region_known=known)
    if after != person.warnings:
        one.before["warnings"], one.changes["warnings"] = person.warnings, after


def _corrected(page: _Page, number: int, person: Beneficiary, vault: Vault, hidden: set[str]) -> _Correction:
    """Put on the record what the row says, and say what changed. Raises DomainError, ValidationError."""
    given, session = page.given[number], page.session
    was = {name: getattr(person, name) for name in _CORRECTED}
    patch = _patch(given, person)
    people.correct(session, person, patch)
    card = given.get("family_card_number")
    if card is not None and not people.has_card(vault.keyring, person, card):
        people.seal_card(vault, person, patch.family_card_number)
    changes = {name: value for name in _CORRECTED if _plain(value := getattr(person, name)) != _plain(was[name])}
    before = {name: was[name] for name in changes}
    sensitive = None
    if patch.ppks_categories is not None and sees_sensitive(session):
        wanted = SENSITIVE.intersection(patch.ppks_categories)
        if wanted != hidden:
            sensitive, before["sensitive"] = sorted(wanted), sorted(hidden)
    if (changes or sensitive is not None) and person.restricted_at is not None:
        raise DomainError("processing_restricted")
    if (changes or sensitive is not None) and person.deceased_on is not None:
        raise DomainError("nik_of_deceased")
    return _Correction(number, person, before, changes, sensitive)


def _patch(given: Mapping[str, Any], person: Beneficiary) -> BeneficiaryUpdate:
    """The row as a merge patch, without what is said already."""
    said = {name: value for name, value in given.items() if name in BeneficiaryUpdate.model_fields}
    if said.get("nik_status") == person.nik_status:
        del said["nik_status"]
    address = {name: given[name] for name in _ADDRESS if name in given}
    return BeneficiaryUpdate.model_validate({**said, "address": address} if address else said)


async def _hidden(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    """The sensitive categories that people have, as far as the importer sees them."""
    found: dict[UUID, set[str]] = {}
    for row in await (await session.connection()).execute(_SENSITIVE, {"people": list(ids)}):
        found.setdefault(row.beneficiary_id, set()).add(row.category)
    return found


async def _write(session: AsyncSession, rows: Sequence[tuple[UUID, int, Mapping[str, Any]]]) -> dict[UUID, int]:
    """The new versions of the records that were at the version said; columns are given as they are to be."""
    written = [
        {"id": str(key), "version": version, "changes": {name: _json(value) for name, value in changes.items()}}
        for key, version, changes in sorted(rows, key=lambda row: row[0])
        if changes
    ]
    if not written:
        return {}
    answer = await (await session.connection()).execute(_WRITE, {"written": json.dumps(written)})
    return {row.id: row.version for row in answer}


def _json(value: Any) -> Any:
    """A value as JSON has it and PostgreSQL reads it again."""
    if isinstance(value, bytes | memoryview):
        return "\\x" + bytes(value).hex()
    return value.isoformat() if isinstance(value, date | datetime) else str(value) if isinstance(value, UUID) else value


async def _park(page: _Page, met: Mapping[int, Beneficiary]) -> None:
    """What differs becomes proposals, which an officer accepts or rejects one by one; numbers cannot be proposed."""
    for number, person in met.items():
        given = page.given[number]
        if person.deceased_on is not None or person.restricted_at is not None:
            continue
        try:
            patch = _patch(given, person)
        except ValidationError as error:
            page.refuse(number, faults_of(error))
            continue
        differs = {name: getattr(patch, name) for name in patch.model_fields_set if name in _PROPOSED}
        if patch.address is not None:
            differs["address"] = patch.address.model_dump(exclude_unset=True)
        if patch.ppks_categories is not None:
            said = [code for code in patch.ppks_categories if code not in SENSITIVE]
            differs["ppks_categories"] = {
                "add": [code for code in said if code not in person.ppks_categories],
                "remove": [code for code in person.ppks_categories if code not in said],
            }
        if (village := given.get("village_code", person.region_code)) != person.region_code:
            differs["moved_to_village"] = village
        left_out = [Fault(name, "not_parked") for name in _not_parked(page, number, person)]
        try:
            parked = await raise_from_import(page.session, person, differs)
        except DomainError as error:
            page.refuse(number, faults_of(error))
            continue
        if parked:
            page.decide(number, "parked", left_out, record_id=person.id, version=person.version)
        elif left_out:
            page.leave(number, person, *left_out)


_PROPOSED = frozenset({"full_name", "birth_place", "birth_date", "sex", "phone", "relationship"})


def _not_parked(page: _Page, number: int, person: Beneficiary) -> list[str]:
    given = page.given[number]
    plain = [
        name
        for name in ("notes", "message_channel", "nik_status")
        if given.get(name, getattr(person, name)) != getattr(person, name)
    ]
    card = given.get("family_card_number")
    return plain + ["family_card_number"] * bool(card and not people.has_card(keyring_of(page.session), person, card))


# Taking back ---------------------------------------------------------------------------------------------------------


async def undo(session: AsyncSession, fates: Sequence[Fate]) -> Sequence[Fault | None]:
    """`Kind.undo`: who was registered is withdrawn, as by hand, and who was corrected is as before.

    Not while something was built on it, and not after somebody else changed it.
    """
    await _plan_anew(session)
    created = [fate.record_id for fate in fates if fate.fate == "created" and fate.record_id is not None]
    await people.lock_families(session, created)
    registered = await _load(session, [fate.record_id for fate in fates if fate.record_id is not None], lock=True)
    built_on = {
        row.id: row.records for row in await (await session.connection()).execute(_BUILT_ON, {"people": created})
    }
    in_use = await people.in_use_among(session, created)
    said: list[Fault | None] = []
    for fate in fates:
        person = registered.get(fate.record_id)
        if person is None or person.deleted_at is not None:
            said.append(Fault(None, "record_gone"))
        elif person.version != fate.version:
            said.append(Fault(None, "changed_since"))
        elif fate.fate == "created" and person.id in built_on:
            said.append(Fault(None, "still_in_use", {"records": built_on[person.id]}))
        elif fate.fate == "created" and person.id in in_use:
            said.append(Fault(None, "still_in_use"))
        elif fate.fate == "updated" and person.restricted_at is not None:
            said.append(Fault(None, "processing_restricted"))
        else:
            said.append(None)
    free = [fate for fate, fault in zip(fates, said, strict=True) if fault is None]
    withdrawn = [registered[fate.record_id] for fate in free if fate.fate == "created"]
    await people.withdraw_many(session, {person.id: person.version for person in withdrawn})
    await _put_back(session, registered, [fate for fate in free if fate.fate == "updated"])
    return said


async def _put_back(
    session: AsyncSession, registered: Mapping[UUID | None, Beneficiary], fates: Sequence[Fate]
) -> None:
    replaced = [(registered[fate.record_id], dict(fate.before or {})) for fate in fates]
    sensitive = [(person, before.pop("sensitive", None)) for person, before in replaced]
    await _write(session, [(person.id, person.version, before) for person, before in replaced])
    for person, categories in sensitive:
        if categories is not None:
            await set_sensitive(session, person.id, person.region_code, categories)


# Columns -------------------------------------------------------------------------------------------------------------


def _nik(cell: Any) -> tuple[Any, tuple[str, ...]]:
    """A NIK; OpenSID numbers people who have none from 0, and that is nobody's number (DOMAIN §5.1)."""
    written, notes = cells.value_text(cell) if isinstance(cell, str) else (None, ())
    if written is not None and len(written) == len("0000000000000000") and written[0] == "0" and written.isdigit():
        return None, (*notes, "nik_temporary")
    return cells.nik(cell)


_COLUMNS = (
    Column(
        "nik",
        _nik,
        "NIK",
        aliases=("No NIK", "Nomor NIK", "No KTP", "Nomor KTP", "Nomor Induk Kependudukan", "NIK Anggota"),
        example="1871046503910003",
        words=(
            "16 angka, kolom disimpan sebagai Teks; kosong bila orang itu tidak punya NIK",
            "16 digits, the column kept as Text; empty for somebody without a NIK",
        ),
        is_identity=True,
    ),
    Column(
        "nik_status",
        cells.listed("nik_statuses"),
        "Status NIK",
        example="unverified",
        words=("Tanpa isi: unverified dengan NIK, none tanpa NIK", "Left empty: unverified with a NIK, none without"),
        choices=tuple(sorted(codes("nik_statuses"))),
    ),
    Column(
        "full_name",
        cells.line,
        "Nama Lengkap",
        aliases=("Nama", "Nama Penerima", "Nama Anggota", "Nama Anggota Keluarga", "Nama Penduduk", "Nama Art"),
        example="Siti Rahmawati",
        words=("Seperti pada KTP atau KK", "As on the KTP or family card"),
    ),
    Column(
        "birth_place",
        cells.line,
        "Tempat Lahir",
        aliases=("Tmp Lahir", "Tmpt Lahir", "Tempatlahir", "Tmp Lhr"),
        example="Panjang",
    ),
    Column(
        "birth_date",
        cells.day,
        "Tanggal Lahir",
        aliases=("Tgl Lahir", "Tanggallahir", "Tgl Lhr", "Tanggal Lahir Anggota"),
        example="1991-03-25",
        words=("Tahun-bulan-tanggal, atau dengan nama bulan", "Year-month-day, or with the month's name"),
    ),
    Column(
        "sex",
        cells.sex,
        "Jenis Kelamin",
        aliases=("Sex", "JK", "L P", "Jns Kelamin", "Kelamin", "Gender"),
        example="P",
        words=("L atau P", "L (male) or P (female)"),
        choices=("L", "P"),
    ),
    Column(
        "street",
        cells.line,
        "Alamat",
        aliases=("Jalan", "Alamat Rumah", "Alamat Lengkap", "Alamat Tinggal"),
        example="Jl. Yos Sudarso 12",
    ),
    Column("rt", cells.rt_rw, "RT", aliases=("No RT",), example="001"),
    Column("rw", cells.rt_rw, "RW", aliases=("No RW",), example="002"),
    Column(
        "village_code",
        cells.region,
        "Kode Desa/Kelurahan",
        aliases=("Kode Desa", "Kode Kelurahan", "Kode Kemendagri", "Kode Wilayah", "Kode Kel Desa", "Kode Kel"),
        example="18.71.04.1002",
        words=(
            "Kode Kemendagri; tanpa kolom ini dipakai nama desa dan kecamatan, atau desa Anda sendiri",
            "Kemendagri code; without this column the names of village and district count, or your own village",
        ),
    ),
    Column(
        "village_name",
        cells.line,
        "Desa/Kelurahan",
        aliases=("Desa", "Kelurahan", "Kel Desa", "Kelurahan Desa", "Nama Desa", "Nama Kelurahan", "Nama Kel"),
        words=("Hanya bila kodenya tidak ada", "Only where there is no code"),
    ),
    Column(
        "district_name",
        cells.line,
        "Kecamatan",
        aliases=("Nama Kecamatan", "Kec", "Nama Kec"),
        words=("Hanya bila kode desa tidak ada", "Only where there is no code of the village"),
    ),
    Column(
        "phone",
        cells.phone,
        "Nomor Telepon",
        aliases=("No HP", "No Telp", "Telepon", "HP", "Nomor HP", "Telp"),
        example="0812-7000-1234",
    ),
    Column(
        "message_channel",
        cells.one_of({"whatsapp": ("wa",), "sms": ()}),
        "Kirim Pesan Lewat",
        words=(
            "whatsapp atau sms, hanya bila orangnya setuju menerima pesan",
            "whatsapp or sms, only when the person agreed to messages",
        ),
        choices=("whatsapp", "sms"),
    ),
    Column(
        "family_card_number",
        cells.family_card,
        "Nomor KK",
        aliases=("No KK", "KK", "Nomor Kartu Keluarga", "No Kartu Keluarga", "NOKK"),
        example="1871041203150002",
        words=("16 angka, kolom disimpan sebagai Teks", "16 digits, the column kept as Text"),
        is_identity=True,
    ),
    Column(
        "relationship",
        cells.listed(
            "relationships",
            wife=("istri",),
            parent=("orangtua", "ayah", "ibu"),
            head_of_family=("kepala", "kk"),
            parent_in_law=("mertua",),
            child=("anak kandung",),
            other_relative=("famili", "saudara"),
            domestic_helper=("art",),
        ),
        "Hubungan Keluarga",
        aliases=(
            *("SHDK", "Hubungan", "KK Level", "Hub Keluarga", "Hubungan Dalam Keluarga", "Status Hubungan"),
            "Hub Krt",
        ),
        example="Istri",
        words=("Nama, nomor atau kode dari daftar SHDK", "Name, number or code of the SHDK list"),
        choices=tuple(item.label_id for item in LISTS["relationships"].items),
    ),
    Column(
        "ppks_categories",
        cells.many(cells.listed("ppks_categories")),
        "Kategori PPKS",
        aliases=("PPKS", "Jenis PPKS", "PMKS", "Kategori"),
        example="fakir_miskin; lansia_terlantar",
        words=(
            "Kode atau nama dari daftar ppks_categories, dipisah titik koma",
            "Codes or names of the list ppks_categories, divided by semicolons",
        ),
    ),
    Column("notes", cells.text, "Catatan", aliases=("Keterangan", "Ket")),
    Column(
        "id",
        cells.uuid,
        "ID",
        aliases=("ID Orang", "Beneficiary ID"),
        words=("Nomor di sistem ini; biarkan kosong untuk orang baru", "The id in this system; empty for new people"),
    ),
)

BENEFICIARIES = Kind(
    name="beneficiaries",
    permission=Permission.BENEFICIARY_WRITE,
    columns=_COLUMNS,
    key=_key,
    named=named,
    apply=apply,
    undo=undo,
    on_match=("skip", "update", "park"),
    names_people=True,
)
