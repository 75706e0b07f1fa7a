"""Whether a programme runs, and who may write its rules."""

from datetime import date

from tksk_api.domain.references.lists import codes
from tksk_api.errors import FieldError


def not_running(first_from: date | None, day: date) -> str:
    """The field code that says why no version holds on `day`: the first one is still to come, or the last has ended.

    Jampersal ran from 12 July to 31 December 2022 (Inpres 5/2022); programmes come and go (DOMAIN §4.4).
    """
    return "program_not_started" if first_from is not None and day < first_from else "program_ended"


def span_refusal(effective_from: date, effective_until: date | None, today: date) -> tuple[str, str] | None:
    """Pointer and field code: a version says nothing about days that have passed, and ends after it begins."""
    if effective_from < today:
        return "/effective_from", "in_past"
    if effective_until is not None and effective_until < effective_from:
        return "/effective_until", "before_start"
    return None


def may_write(*, is_local: bool, is_national: bool, region_code: str | None) -> bool:
    """The ministry writes every programme's rules, an office below it only a local programme's, for its own area."""
    return is_national or (is_local and region_code is not None)


def unknown_codes(rules: list[dict[str, object]], pointer: str) -> list[FieldError]:
    """What rules name and no list has: programmes, categories and questions, each at its place."""
    errors: list[FieldError] = []
    for index, rule in enumerate(rules):
        at = f"{pointer}/{index}"
        if rule["test"] == "any_of":
            errors += unknown_codes(rule["of"], f"{at}/of")  # type: ignore[arg-type]
        for member, code_list in (
            ("programs", "programs"),
            ("categories", "ppks_categories"),
            ("question", "eligibility_questions"),
        ):
            if member in rule:
                errors += _unknown(rule[member], f"{at}/{member}", code_list)
    return errors


def _unknown(value: object, pointer: str, code_list: str) -> list[FieldError]:
    if isinstance(value, str):
        return [] if value in codes(code_list) else [FieldError(pointer, "unknown_code", {"list": code_list})]
    assert isinstance(value, list)
    return [
        FieldError(f"{pointer}/{index}", "unknown_code", {"list": code_list})
        for index, code in enumerate(value)
        if code not in codes(code_list)
    ]
