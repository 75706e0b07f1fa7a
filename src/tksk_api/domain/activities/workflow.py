"""The life of an activity: the author submits it, the office returns or accepts it, and the author may withdraw it."""

from tksk_api.domain.workflow import Step, Workflow
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission

WORKFLOW = Workflow(
    entity="activities",
    states=("draft", "submitted", "returned", "accepted", "withdrawn"),
    steps={
        "submit": Step(frozenset({"draft", "returned"}), "submitted", Permission.ACTIVITY_CONTINUE),
        "return": Step(frozenset({"submitted"}), "returned", Permission.ACTIVITY_REVIEW),
        "accept": Step(frozenset({"submitted"}), "accepted", Permission.ACTIVITY_REVIEW),
        # What should never have been handed in, also when a report says it: the report stays as it was.
        "withdraw": Step(frozenset({"submitted", "accepted"}), "withdrawn", Permission.ACTIVITY_CONTINUE),
    },
)
EDITABLE = frozenset({"draft", "returned"})


def require_editable(state: str) -> None:
    """What lies with the office is not changed under its eyes. Raises transition_refused."""
    if state not in EDITABLE:
        raise DomainError("transition_refused", state=state, allowed_actions=WORKFLOW.actions_from(state))
