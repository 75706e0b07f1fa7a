"""The way of a report, as data (API §6, DOMAIN §6): its author submits it, the office above returns or accepts it."""

from collections.abc import Mapping
from typing import Literal, get_args

from tksk_api.domain.reports.content import Level
from tksk_api.domain.workflow import Step, Workflow
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission, Role

Status = Literal["draft", "submitted", "returned", "accepted"]

EDITABLE = frozenset({"draft", "returned"})
WORKFLOW = Workflow(
    entity="reports",
    states=get_args(Status),
    steps={
        "submit": Step(frozenset({"draft", "returned"}), "submitted", Permission.REPORT_WRITE),
        "return": Step(frozenset({"submitted"}), "returned", Permission.REPORT_REVIEW),
        "accept": Step(frozenset({"submitted"}), "accepted", Permission.REPORT_REVIEW),
        # The camat's "mengetahui": before or after the acceptance, as the region's calendar has it.
        "acknowledge": Step(
            frozenset({"submitted", "accepted"}), ("submitted", "accepted"), Permission.REPORT_ACKNOWLEDGE
        ),
        "revise": Step(frozenset({"accepted"}), "draft", Permission.REPORT_WRITE),
        # Only a correction has something to go back to.
        "discard": Step(EDITABLE, "accepted", Permission.REPORT_WRITE),
    },
)
# Whose report a level's is, and who decides about it: the office above (DOMAIN §1.5). The regency's office also writes
# for a district that nobody holds.
AUTHORS: Mapping[Level, frozenset[Role]] = {
    "district": frozenset({Role.TKSK, Role.REGENCY_OFFICE}),
    "regency": frozenset({Role.REGENCY_OFFICE}),
    "province": frozenset({Role.PROVINCE_OFFICE}),
    "nation": frozenset({Role.MINISTRY}),
}
REVIEWERS: Mapping[Level, frozenset[Role]] = {
    "district": frozenset({Role.REGENCY_OFFICE}),
    "regency": frozenset({Role.PROVINCE_OFFICE}),
    "province": frozenset({Role.MINISTRY}),
    "nation": frozenset({Role.MINISTRY}),
}


def require_editable(state: str) -> None:
    """What was submitted is not changed. Raises transition_refused."""
    if state not in EDITABLE:
        raise DomainError("transition_refused", state=state, allowed_actions=WORKFLOW.actions_from(state))
