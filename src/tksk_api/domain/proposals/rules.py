"""What of a visit contradicts the register, as pure functions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.errors import DomainError, FieldError

POOR = "fakir_miskin"
# Facts of the register that are kept under the same name.
PLAIN = ("full_name", "birth_place", "birth_date", "sex", "phone", "relationship")
ADDRESS = ("street", "rt", "rw")


Origin = Literal["officer", "finding", "evidence", "import"]


@dataclass(frozen=True)
class Difference:
    """One fact: what the register says, what was seen, and what it was seen by."""

    field: str
    current: Any
    proposed: Any
    origin: Origin = "officer"


@dataclass(frozen=True)
class Seen:
    """What a visit says about the person beside its evidence: what the officer wrote, as plain values."""

    differs: Mapping[str, Any]
    finding: str | None
    dependants: int | None


def check_categories(add: Sequence[str], remove: Sequence[str]) -> None:
    """Categories of the list, each named once, none of them sensitive.

    Who sees a proposal is not who may see a sensitive category (DOMAIN §2.1): those are written as assessments.
    Raises invalid_request (unknown_code, duplicate_entry, sensitive_not_proposed).
    """
    sensitive = {item.code for item in LISTS["ppks_categories"].items if item.attributes["sensitive"]}
    errors, named = [], set[str]()
    for where, entries in (("add", add), ("remove", remove)):
        for index, code in enumerate(entries):
            pointer = f"/register_differs/ppks_categories/{where}/{index}"
            if code not in codes("ppks_categories"):
                errors.append(FieldError(pointer, "unknown_code", {"list": "ppks_categories"}))
            elif code in sensitive:
                errors.append(FieldError(pointer, "sensitive_not_proposed"))
            elif code in named:
                errors.append(FieldError(pointer, "duplicate_entry"))
            named.add(code)
    if errors:
        raise DomainError("invalid_request", errors=errors)


def differences(
    register: Mapping[str, Any], seen: Seen, dependants: int | None, by: Origin = "officer"
) -> Iterator[Difference]:
    """What differs, fact by fact; `dependants` is how many the family has in the register, None when it is not known.

    A finding against somebody who is registered as very poor proposes to take that category away.
    """
    for field in PLAIN:
        if field in seen.differs and _differs(register[field], seen.differs[field]):
            yield Difference(field, _plain(register[field]), _plain(seen.differs[field]), by)
    if "address" in seen.differs:
        now = {name: register[name] for name in ADDRESS}
        if now != (then := {**now, **seen.differs["address"]}):
            yield Difference("address", now, then, by)
    # That somebody recorded as dead opened the door is no proposal: the death is taken back by its own action.
    if register["deceased_on"] is None and "deceased_on" in seen.differs:
        yield Difference("deceased_on", None, _plain(seen.differs["deceased_on"]))
    if seen.differs.get("moved_to_village", register["region_code"]) != register["region_code"]:
        yield Difference("village_code", register["region_code"], seen.differs["moved_to_village"], by)
    yield from _categories(register["ppks_categories"], seen, by)
    if seen.dependants is not None and dependants is not None and seen.dependants != dependants:
        yield Difference("dependants", dependants, seen.dependants, "evidence")


def _categories(registered: Sequence[str], seen: Seen, by: Origin) -> Iterator[Difference]:
    said = seen.differs.get("ppks_categories") or {"add": [], "remove": []}
    doubted = {POOR} if seen.finding == "not_eligible" else set()
    kept = [code for code in registered if code not in {*said["remove"], *doubted}]
    wanted = [*kept, *(code for code in said["add"] if code not in kept)]
    if set(wanted) != set(registered):
        by_officer = set(wanted) != set(registered) - doubted
        yield Difference("ppks_categories", list(registered), wanted, by if by_officer else "finding")


def _differs(registered: Any, seen: Any) -> bool:
    return bool(seen is not None and seen != registered)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
