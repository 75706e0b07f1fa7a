"""The way of a referral, as data (API §5, DOMAIN §4)."""

from collections.abc import Mapping
from typing import Literal, get_args

from tksk_api.domain.workflow import Step, Workflow
from tksk_api.security.permissions import Permission

Status = Literal[
    "draft",
    "submitted",
    "received",
    "under_review",
    "documents_requested",
    "waitlisted",
    "approved",
    "rejected",
    "active",
    "ended",
    "cancelled",
]
_OURS, _ANSWER = Permission.REFERRAL_CREATE, Permission.REFERRAL_ANSWER
_UNDECIDED = frozenset({"under_review", "waitlisted"})
# Its purpose is served: the agency keeps what it decided, and no longer the person and the papers.
OVER = frozenset({"rejected", "ended", "cancelled"})

STEPS: Mapping[str, Step] = {
    "submit": Step(frozenset({"draft"}), "submitted", _OURS),
    "receive": Step(frozenset({"submitted"}), "received", _ANSWER),
    "review": Step(frozenset({"received", "documents_requested"}), "under_review", _ANSWER),
    "request-documents": Step(frozenset({"received", "under_review"}), "documents_requested", _ANSWER),
    "transfer": Step(
        frozenset({"submitted", "received", "under_review", "documents_requested", "waitlisted"}), "submitted", _OURS
    ),
    "supply-documents": Step(frozenset({"documents_requested"}), "under_review", _OURS),
    "approve": Step(_UNDECIDED, "approved", _ANSWER),
    "reject": Step(_UNDECIDED, "rejected", _ANSWER),
    "waitlist": Step(_UNDECIDED, "waitlisted", _ANSWER),
    "activate": Step(frozenset({"approved"}), "active", _ANSWER),
    "end": Step(frozenset({"active"}), "ended", _ANSWER),
    "cancel": Step(
        frozenset({"draft", "submitted", "received", "under_review", "documents_requested", "waitlisted"}),
        "cancelled",
        _OURS,
    ),
}

# What the system does by itself, once the last day has passed (domain/referrals/lapse.py).
LAPSE = "lapse"

WORKFLOW = Workflow(
    entity="referrals",
    states=get_args(Status),
    steps=STEPS,
    by_itself={LAPSE: (frozenset({"waitlisted", "approved"}), "cancelled")},
    notes=(
        "`transfer` takes along the documents that the referral was submitted with. What `supply-documents` added "
        "answers the former agency's request and stays behind, except the files named in `attachment_ids`.",
    ),
)
