"""Signing: the last signature allots the number and makes the letter, all in one transaction."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import are_restricted, full_niks
from tksk_api.domain.history.access import record_access
from tksk_api.domain.limits.service import take_strictly
from tksk_api.domain.records import load, save
from tksk_api.domain.references.lists import label
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import chain, local_now, office_name
from tksk_api.domain.sktm_applications.models import SktmApplication, SktmSignature
from tksk_api.domain.sktm_applications.people import hold_people, unchanged_people
from tksk_api.domain.sktm_applications.reads import SKTM_APPLICATIONS
from tksk_api.domain.sktm_applications.schemas import Refusal
from tksk_api.domain.sktm_applications.service import check_reason, check_replaced, policy_of, refuse_repeated
from tksk_api.domain.sktm_applications.workflow import WORKFLOW
from tksk_api.domain.sktm_letters import service as letters
from tksk_api.domain.sktm_letters.content import Dependant, EnglishWords, LetterContent, Letterhead, Person, Signer
from tksk_api.domain.sktm_letters.masking import mask_name
from tksk_api.domain.sktm_letters.models import SktmLetter
from tksk_api.domain.sktm_letters.numbering import leave_out, next_sequence
from tksk_api.domain.sktm_letters.offline import OfflineLetter, encode
from tksk_api.domain.sktm_letters.seals import Sealer, Sealing, seal_facts
from tksk_api.domain.sktm_letters.wording import sentence
from tksk_api.domain.sktm_policies.rules import Policy
from tksk_api.domain.sktm_policies.service import logo as logo_of
from tksk_api.domain.subject_keys.service import vault_to_fill
from tksk_api.domain.suggestions import service as suggestions
from tksk_api.domain.users.service import own_account
from tksk_api.errors import DomainError
from tksk_api.security.letter_keys import LetterKey
from tksk_api.security.letter_signing import LetterKeys

Render = Callable[[LetterContent, bytes | None], bytes]
RenderCopy = Callable[[LetterContent, bytes | None, datetime], bytes]
_TITLES = {"kelurahan": "Lurah", "desa": "Kepala Desa", "desa_adat": "Kepala Desa Adat", "kecamatan": "Camat"}
_HOUR_SECONDS = 3600
_TOKEN_BYTES = 24  # 192 random bits in the verification address
# A seal may be somebody else's service: threads that wait for it are not those that the rest of the server works by.
_SEALERS = ThreadPoolExecutor(64, "sealer")


async def sign(
    session: AsyncSession,
    key: UUID,
    version: int,
    render: Render,
    *,
    sealing: Sealing,
    public_url: str,
    letter_keys: LetterKeys,
) -> Stored:
    """Add the caller's signature; with the last one, number the letter and make it.

    `render` turns the content into a PDF, a letter key signs what its QR code says. Raises transition_refused,
    separation_of_duties (whoever had a hand in it), facts_changed (a person is not what was checked any more),
    not_signatory (another's turn), duplicate_application (such a letter is in force by now), invalid_request (the one
    to replace is not, nothing_to_replace), stale_version, seal_unavailable (the policy says `sealed`, and `sealing`
    cannot).
    """
    await hold_people(session, key)
    row = await load(session, SktmApplication, key, version, lock=True)
    policy = policy_of(row) if row.policy else None
    WORKFLOW.check("sign", row.status)
    assert policy is not None
    if row.status == "checked" and policy.needs_visit(row.purpose):
        actions = [action for action in WORKFLOW.actions_from(row.status) if action != "sign"]
        raise DomainError("transition_refused", state=row.status, allowed_actions=actions)
    principal = principal_of(session)
    before = await _signatures(session, row.id)
    if await _had_hand(session, row, principal.user_id):
        raise DomainError("separation_of_duties")
    expected = policy.signatories[len(before)]
    if principal.role != expected:
        raise DomainError("not_signatory", expected=expected)
    await check_replaced(session, row, row.region_code)
    await refuse_repeated(session, row, row.id)
    regions = await chain(session, row.region_code or "")
    account = await own_account(session)
    signature = SktmSignature(
        application_id=row.id,
        position=len(before) + 1,
        role=principal.role,
        user_id=principal.user_id,
        full_name=account.full_name,
        title=account.position_title or _title(regions, principal.role),
        employee_number=account.employee_number,
        signed_at=local_now(regions["village"].timezone),
    )
    session.add(signature)
    signatures = [*before, signature]
    is_last = len(signatures) == len(policy.signatories)
    WORKFLOW.take(session, row, "sign", account.full_name, target="issued" if is_last else "signing")
    await session.flush()
    if is_last:
        letter_key = letter_keys.current()
        await _issue(
            session,
            row,
            signatures,
            regions=regions,
            render=render,
            sealing=sealing,
            public_url=public_url,
            letter_key=letter_key,
        )
    return await save(session, SKTM_APPLICATIONS, row)


async def revoke(session: AsyncSession, key: UUID, version: int, body: Refusal) -> Stored:
    """Withdraw an issued letter: by one of its signatories' offices, or the regency office.

    The letter and its number stay in the register; verification says `revoked` at once.
    """
    check_reason("revoke", body.reason_code)
    row = await load(session, SktmApplication, key, version)
    principal = principal_of(session)
    if principal.role != "regency_office" and row.policy and principal.role not in row.policy["signatories"]:
        raise DomainError("permission_denied", permission="sktm:revoke (signatory)")
    WORKFLOW.take(
        session, row, "revoke", (await own_account(session)).full_name, reason_code=body.reason_code, note=body.note
    )
    await letters.revoke(session, row.id, body.reason_code)
    return await save(session, SKTM_APPLICATIONS, row)


async def letter_pdf(session: AsyncSession, key: UUID, per_hour: int) -> tuple[SktmLetter, bytes]:
    """The letter as issued, byte for byte. Recorded and refused as `_to_hand_out` says."""
    row, letter = await _to_hand_out(session, key, per_hour)
    return letter, await letters.open_pdf(session, letter, row.beneficiary_id)


async def letter_copy(session: AsyncSession, key: UUID, per_hour: int, render: RenderCopy) -> tuple[SktmLetter, bytes]:
    """What the letter says, printed again and marked as a copy. Recorded and refused as `_to_hand_out` says."""
    row, letter = await _to_hand_out(session, key, per_hour)
    content = await letters.open_content(session, letter, row.beneficiary_id)
    logo = await logo_of(session, content.letterhead.logo) if content.letterhead.logo else None
    return letter, await asyncio.to_thread(render, content, logo, local_now(letter.timezone))


async def _to_hand_out(session: AsyncSession, key: UUID, per_hour: int) -> tuple[SktmApplication, SktmLetter]:
    """An issued letter that may be fetched; who fetched it is recorded, for it bears the full NIK.

    Raises not_found, processing_restricted when one of those it names is (UU 27/2022 Pasal 41), and too_many_requests
    when the caller has fetched `per_hour` letters within the hour.
    """
    await take_strictly(session, "letters", per_hour, _HOUR_SECONDS)
    row = await load(session, SktmApplication, key)
    letter = await letters.letter_of(session, row.id)
    people = [row.beneficiary_id, *row.dependants]
    if await are_restricted(session, people):
        raise DomainError("processing_restricted")
    await record_access(session, people, purpose="letter_processing", fields=["nik"])
    return row, letter


async def _had_hand(session: AsyncSession, row: SktmApplication, user: UUID) -> bool:
    """Whether somebody created, edited, submitted, checked, verified, visited or signed it (app.had_hand)."""
    asked = select(func.app.had_hand(row.id, user))
    return bool((await (await session.connection()).execute(asked)).scalar())


async def _signatures(session: AsyncSession, application_id: UUID) -> list[SktmSignature]:
    query = select(SktmSignature).where(SktmSignature.application_id == application_id)  # type: ignore[arg-type]
    return sorted((await session.execute(query)).scalars(), key=lambda signature: signature.position)


async def _issue(
    session: AsyncSession,
    row: SktmApplication,
    signatures: Sequence[SktmSignature],
    *,
    regions: Mapping[str, Region],
    render: Render,
    sealing: Sealing,
    public_url: str,
    letter_key: LetterKey | None,
) -> None:
    policy, village = policy_of(row), regions["village"]
    now = local_now(village.timezone)
    people = await unchanged_people(session, row)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await record_access(session, list(people), purpose="letter_processing", fields=["nik"])
    niks = await full_niks(session, people.values())
    vault = await vault_to_fill(session, row.beneficiary_id)
    logo = await logo_of(session, policy.logo) if policy.logo else None
    finding, finding_en = sentence("finding", row.purpose, policy.wording)
    use, use_en = sentence("use", row.purpose, policy.wording)
    await suggestions.from_letter(session, row)
    sealer = await sealing(session, village.code, now) if policy.signature == "sealed" else None
    # The counter is raised last: other signers of this village wait only for the drawing of one letter, and its seal,
    # which is over the number too (docs/decisions/0015-kinds-of-signature.md has what each costs).
    series = policy.series(row.purpose)
    while True:
        sequence = await next_sequence(session, village.code, now.year, series)
        number = policy.number(sequence, village.code, now.date(), row.purpose)
        if not await letters.is_given(session, village.code, now.year, number):
            break
        await leave_out(session, village.code, now.year, series, sequence, note=f"Nomor {number}")
    content = LetterContent(
        number=number,
        issued_on=now.date(),
        valid_until=policy.valid_until(now.date()),
        letterhead=_letterhead(policy, regions),
        place=regions["regency"].name if regions["regency"].kind == "kota" else village.name,
        applicant=_applicant(people[row.beneficiary_id], niks[row.beneficiary_id], regions),
        dependants=tuple(_dependant(people[key], niks[key]) for key in row.dependants),
        purpose=label("sktm_purposes", row.purpose, "id"),
        purpose_detail=row.purpose_detail,
        addressed_to=row.addressed_to,
        signers=tuple(_signer(signature, now) for signature in signatures),
        verification_url=f"{public_url}/verify/{token}",
        signature=policy.signature,
        finding=finding,
        use=use,
        english=_english(row, people, finding_en, use_en) if _has_english(row, policy) else None,
    )
    content = replace(content, offline_code=_offline_code(content, row, village, token, letter_key))
    pdf, seal = await asyncio.to_thread(render, content, logo), None
    if sealer is not None:
        sealed = asyncio.get_running_loop().run_in_executor(_SEALERS, copy_context().run, _sealed, sealer, content, pdf)
        pdf, seal = await sealed
    letter_id = new_id()
    if row.replaces_id is not None and policy.signature != "wet":  # then the earlier one holds until the scan is there
        await letters.supersede(session, row.replaces_id)
    session.add(
        SktmLetter(
            id=letter_id,
            application_id=row.id,
            region_code=row.region_code,
            issuer_code=village.code,
            year=now.year,
            series=series,
            sequence=sequence,
            number=content.number,
            token=token,
            verification_url=content.verification_url,
            issued_on=content.issued_on,
            valid_until=content.valid_until,
            timezone=village.timezone,
            purpose=row.purpose,
            masked_name=mask_name(content.applicant.full_name),
            issuer_name=", ".join(office_name(regions[level]) for level in ("village", "district", "regency")),
            content_cipher=vault.seal(letters.CONTENT, str(letter_id), json.dumps(content.to_json()).encode()),
            pdf_cipher=vault.seal(letters.PDF, str(letter_id), pdf),
            sha256=hashlib.sha256(pdf).digest(),
            signature=policy.signature,
            seal=seal,
            created_by=principal_of(session).user_id,
        )
    )


def _sealed(sealer: Sealer, content: LetterContent, pdf: bytes) -> tuple[bytes, dict[str, Any]]:
    """The finished file, and what its seal says of itself."""
    names = [signer.full_name for signer in content.signers]
    at = max(signer.signed_at for signer in content.signers)
    sealed = sealer.seal(pdf, reason=f"SKTM Nomor {content.number}", signers=names, at=at)
    return sealed, seal_facts(sealer, sealed)


def _letterhead(policy: Policy, regions: Mapping[str, Region]) -> Letterhead:
    named = {
        "government": f"PEMERINTAH {office_name(regions['regency']).upper()}",
        "district": office_name(regions["district"]).upper(),
        "office": office_name(regions["village"]).upper(),
    }
    return Letterhead(**{**named, **policy.letterhead}, address=policy.office_address, logo=policy.logo)


def _has_english(row: SktmApplication, policy: Policy) -> bool:
    return policy.english_page if row.english is None else row.english


def _english(
    row: SktmApplication, people: Mapping[UUID, Beneficiary], finding: str | None, use: str | None
) -> EnglishWords:
    kin = [people[key].relationship for key in row.dependants]
    return EnglishWords(
        purpose=label("sktm_purposes", row.purpose, "en"),
        finding=finding,
        use=use,
        relationships=tuple(label("relationships", code, "en") if code else None for code in kin),
    )


def _offline_code(
    content: LetterContent, row: SktmApplication, village: Region, token: str, key: LetterKey | None
) -> str | None:
    if key is None:
        return None
    facts = OfflineLetter(
        number=content.number,
        purpose=row.purpose,
        masked_name=mask_name(content.applicant.full_name),
        issued_on=content.issued_on,
        valid_until=content.valid_until,
        issuer_code=village.code,
        by_hand=content.signature == "wet",
    )
    return encode(facts, token, key.kid, key.sign)


def _applicant(person: Beneficiary, nik: str | None, regions: Mapping[str, Region]) -> Person:
    lanes = [f"{name} {value}" for name, value in (("RT", person.rt), ("RW", person.rw)) if value]
    places = [person.street, " / ".join(lanes), *(office_name(regions[r]) for r in ("village", "district", "regency"))]
    return Person(
        full_name=person.full_name,
        nik=nik,
        birth_place=person.birth_place,
        birth_date=person.birth_date,
        sex=person.sex,  # type: ignore[arg-type]
        address=", ".join(place for place in places if place),
    )


def _dependant(person: Beneficiary, nik: str | None) -> Dependant:
    return Dependant(
        full_name=person.full_name,
        nik=nik,
        sex=person.sex,  # type: ignore[arg-type]
        birth_place=person.birth_place,
        birth_date=person.birth_date,
        relationship=label("relationships", person.relationship, "id") if person.relationship else None,
    )


def _signer(signature: SktmSignature, now: datetime) -> Signer:
    signed_at: Any = signature.signed_at.astimezone(now.tzinfo)
    return Signer(signature.full_name, signature.title, signature.employee_number, signed_at)


def _title(regions: Mapping[str, Region], role: str) -> str:
    office = regions["village" if role == "village_head" else "district"]
    return f"{_TITLES[office.kind]} {office.name}"
