"""The life of a proposal: open, then accepted or rejected, once; the database outdates it (`app.review_proposals`)."""

from tksk_api.domain.workflow import Step, Workflow
from tksk_api.security.permissions import Permission

WORKFLOW = Workflow(
    entity="proposals",
    states=("open", "accepted", "rejected", "outdated"),
    steps={
        "accept": Step(frozenset({"open"}), "accepted", Permission.PROPOSAL_DECIDE),
        "reject": Step(frozenset({"open"}), "rejected", Permission.PROPOSAL_DECIDE),
    },
)
