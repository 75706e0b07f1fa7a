"""The life of a visit: planned, then completed or cancelled, once."""

from tksk_api.domain.workflow import Step, Workflow
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission

WORKFLOW = Workflow(
    entity="visits",
    states=("planned", "completed", "cancelled"),
    steps={
        "complete": Step(frozenset({"planned"}), "completed", Permission.VISIT_WRITE),
        "cancel": Step(frozenset({"planned"}), "cancelled", Permission.VISIT_WRITE),
    },
)
EDITABLE = frozenset({"planned"})


def require_editable(state: str) -> None:
    """What was seen on a visit is not rewritten afterwards. Raises transition_refused."""
    if state not in EDITABLE:
        raise DomainError("transition_refused", state=state, allowed_actions=WORKFLOW.actions_from(state))
