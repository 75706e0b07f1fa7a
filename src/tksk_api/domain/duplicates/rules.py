"""What two records must satisfy to be merged, as pure functions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tksk_api.errors import DomainError, FieldError

UNDO_DAYS = 30
# What a record can lack -> the column that says whether it does.
LACKING = {
    "nik": "nik_index",
    "family_card_number": "family_card_index",
    "birth_place": "birth_place",
    "phone": "phone",
    "relationship": "relationship",
    "notes": "notes",
}


def check_people(goes: Any, stays: Any) -> None:
    """Two verified NIKs are two people, and a dead and a living one need somebody to find out which is true first.

    Raises processing_restricted (UU 27/2022 Pasal 41), merge_two_niks (PP 40/2019: a NIK is for life),
    merge_one_deceased.
    """
    if goes.restricted_at is not None or stays.restricted_at is not None:
        raise DomainError("processing_restricted")
    verified = goes.nik_status == stays.nik_status == "verified"
    if verified and bytes(goes.nik_index) != bytes(stays.nik_index):
        raise DomainError("merge_two_niks")
    if (goes.deceased_on is None) != (stays.deceased_on is None):
        raise DomainError("merge_one_deceased")


def check_taken(take: Sequence[str], goes: Any, stays: Any) -> None:
    """Only what one lacks is taken, and only what the other has.

    Raises invalid_request (duplicate_entry, not_lacking, nothing_to_take), naming every wrong entry.
    """
    errors = []
    for index, field in enumerate(take):
        if field in take[:index]:
            errors.append(FieldError(f"/take/{index}", "duplicate_entry"))
        elif getattr(stays, LACKING[field]) is not None:
            errors.append(FieldError(f"/take/{index}", "not_lacking"))
        elif getattr(goes, LACKING[field]) is None:
            errors.append(FieldError(f"/take/{index}", "nothing_to_take"))
    if errors:
        raise DomainError("invalid_request", errors=errors)


def check_undo(merged_at: datetime, now: datetime) -> None:
    """Raises unmerge_too_late: what has grown together is not divided after months by guessing."""
    if now > merged_at + timedelta(days=UNDO_DAYS):
        raise DomainError("unmerge_too_late", days=UNDO_DAYS)
