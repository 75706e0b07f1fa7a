"""The two states of an assessment."""

from tksk_api.domain.workflow import Step, Workflow
from tksk_api.security.permissions import Permission

WORKFLOW = Workflow(
    entity="ppks_assessments",
    states=("active", "closed"),
    steps={"close": Step(frozenset({"active"}), "closed", Permission.PPKS_WRITE)},
)
