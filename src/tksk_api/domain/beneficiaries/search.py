"""Finding a person: candidates from several cheap sides, scored by what is known of them, best first.

Without a name everything given must fit exactly. With one, a person is a candidate by the NIK or its neighbours (one
digit off, two digits swapped), by the birth date or its variants, by the family card, or by how the name sounds and is
spelt; `matching` scores the few. A neighbour of a number is therefore shown only to somebody who also knows the name:
trying numbers tells no more than asking for each of them. See benchmarks/README.md for how often it finds whom.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import date
from typing import Any
from uuid import UUID

from pydantic_core import PydanticCustomError

from tksk_api.database.reads import Page, PageRequest, Reader
from tksk_api.domain.beneficiaries.matching import SHOWN_THRESHOLD, Facts, Match, compare
from tksk_api.domain.beneficiaries.reads import CANDIDATES, FOUND, FOUND_EXACTLY
from tksk_api.domain.beneficiaries.schemas import BeneficiarySearch
from tksk_api.domain.beneficiaries.service import CARD, nik_index
from tksk_api.security.crypto import Keyring
from tksk_api.types import check_nik

OF_EACH_SIDE = 60  # candidates that one way of looking may contribute
_OLDEST = date(1890, 1, 1)
_EXACT = {"nik_index": "nik", "family_card_index": "family_card", "birth_date": "birth_date"}


async def find(reader: Reader, keyring: Keyring, body: BeneficiarySearch) -> Page:
    """The best matches inside the caller's area, in two statements at most."""
    nik = nik_index(keyring, body.nik) if body.nik else None
    card = keyring.blind_index(CARD, body.family_card_number) if body.family_card_number else None
    if body.name is None:
        return await _find_exactly(
            reader,
            body.limit,
            nik_index=nik,
            family_card_index=card,
            birth_date=body.birth_date,
            village_code=body.village_code,
            region_code=body.region_code,
        )
    asked = Facts(body.name, body.birth_date, None, card, nik)
    near = frozenset(nik_index(keyring, other) for other in nik_neighbours(body.nik)) if body.nik else frozenset()
    filters = {
        "name": body.name,
        "dates": date_variants(body.birth_date) if body.birth_date else None,
        "niks": [nik, *near] if nik else None,
        "card": card,
        "area": _area(body),
        "most": OF_EACH_SIDE,
    }
    page = await reader.page(CANDIDATES, PageRequest(OF_EACH_SIDE * 5, CANDIDATES.default_sort, filters))
    hits = _scored(asked, near, json.loads(b"[" + page.items + b"]"), body.limit)
    return await reader.page(
        FOUND,
        PageRequest(body.limit, FOUND.default_sort, {"ids": [UUID(key) for key in hits], "hits": json.dumps(hits)}),
    )


def nik_neighbours(nik: str) -> Iterator[str]:
    """Numbers that differ in one digit, or by two neighbours that changed places; only those a NIK can have."""
    changed = {nik[:at] + digit + nik[at + 1 :] for at in range(len(nik)) for digit in "0123456789"}
    swapped = {nik[:at] + nik[at + 1] + nik[at] + nik[at + 2 :] for at in range(len(nik) - 1)}
    for number in sorted((changed | swapped) - {nik}):
        with suppress(PydanticCustomError):
            yield check_nik(number)


def date_variants(day: date) -> list[date]:
    """The date, day and month changed, and the dates one digit of day, month or year away."""
    variants = {day}
    with suppress(ValueError):
        variants.add(day.replace(day=day.month, month=day.day))
    written = f"{day:%Y%m%d}"
    for at in range(2, 8):
        for digit in "0123456789":
            with suppress(ValueError):
                variants.add(date.fromisoformat(written[:at] + digit + written[at + 1 :]))
    return sorted(variant for variant in variants if variant >= _OLDEST)


async def _find_exactly(reader: Reader, limit: int, **filters: Any) -> Page:
    given = {name: value for name, value in filters.items() if value is not None}
    reasons = [{"field": field, "match": "exact"} for name, field in _EXACT.items() if name in given]
    request = PageRequest(limit, FOUND_EXACTLY.default_sort, {**given, "reasons": json.dumps(reasons)})
    return await reader.page(FOUND_EXACTLY, request)


def _area(body: BeneficiarySearch) -> str | None:
    """The place to search in; one that contradicts the village is nowhere."""
    if body.village_code is None or body.region_code is None:
        return body.village_code or body.region_code
    return body.village_code if body.village_code.startswith(body.region_code) else ""


def _scored(asked: Facts, near: Collection[bytes], candidates: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Id -> score and reasons of the best."""
    matches = [
        (
            compare(
                asked,
                Facts(
                    row["full_name"],
                    date.fromisoformat(row["birth_date"]),
                    row["village_code"],
                    _bytes(row["family_card_index"]),
                    _bytes(row["nik_index"]),
                ),
                near,
            ),
            row["id"],
        )
        for row in candidates
    ]
    best = sorted((found for found in matches if _is_shown(found[0])), key=lambda found: (-found[0].score, found[1]))
    return {key: {"score": match.score, "reasons": match.reasons} for match, key in best[:limit]}


def _is_shown(match: Match) -> bool:
    """Near enough, and by more than the neighbour of a number or date: its name, or a number that is the same."""
    known = any(
        reason["match"] in ("exact", "same")
        if reason["field"] in ("nik", "family_card")
        else reason["field"] == "full_name" and reason["match"] != "different"
        for reason in match.reasons
    )
    return known and match.score >= SHOWN_THRESHOLD


def _bytes(value: str | None) -> bytes | None:
    """A bytea as PostgreSQL writes it into JSON."""
    return bytes.fromhex(value[2:]) if value else None
