"""The life of a privacy request: taken in, then fulfilled or refused, once."""

from typing import get_args

from tksk_api.domain.privacy_requests.schemas import Status
from tksk_api.domain.workflow import Step, Workflow
from tksk_api.security.permissions import Permission

WORKFLOW = Workflow(
    entity="privacy_requests",
    states=get_args(Status),
    steps={
        "fulfil": Step(frozenset({"received"}), "fulfilled", Permission.PRIVACY_DECIDE),
        "refuse": Step(frozenset({"received"}), "refused", Permission.PRIVACY_DECIDE),
    },
)
