"""The way of a report, as data (API §6, DOMAIN §6): its author submits it, the office above returns or accepts it."""

from typing import Literal, get_args

from tksk_api.domain.workflow import Step, Workflow
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission

Status = Literal["draft", "submitted", "returned", "accepted"]

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
    },
)
EDITABLE = frozenset({"draft", "returned"})


def require_editable(state: str) -> None:
    """What was submitted is not changed. Raises transition_refused."""
    if state not in EDITABLE:
        raise DomainError("transition_refused", state=state, allowed_actions=WORKFLOW.actions_from(state))
