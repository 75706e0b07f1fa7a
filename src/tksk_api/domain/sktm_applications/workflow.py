"""The way of an SKTM application, as data (API §4; DOMAIN §3.7)."""

from typing import get_args

from tksk_api.domain.sktm_applications.schemas import State
from tksk_api.domain.workflow import Step, Workflow
from tksk_api.security.permissions import Permission

WORKFLOW = Workflow(
    entity="sktm_applications",
    states=get_args(State),
    steps={
        "submit": Step(frozenset({"draft", "returned"}), "submitted", Permission.SKTM_SUBMIT),
        # From signing too: somebody whose facts changed between two signatures is looked at anew.
        "return": Step(frozenset({"submitted", "checked", "verified", "signing"}), "returned", Permission.SKTM_RETURN),
        "check": Step(frozenset({"submitted"}), "checked", Permission.SKTM_CHECK),
        "verify": Step(frozenset({"checked"}), "verified", Permission.SKTM_VERIFY),
        "reject": Step(frozenset({"submitted", "checked", "verified", "signing"}), "rejected", Permission.SKTM_REJECT),
        # To signing while signatures are missing, to issued with the last one; from checked only where the
        # region requires no visit.
        "sign": Step(frozenset({"checked", "verified", "signing"}), ("signing", "issued"), Permission.SKTM_SIGN),
        # Of a letter signed by hand; again where a better scan is to take the place of the first.
        "signed-scan": Step(frozenset({"issued"}), "issued", Permission.SKTM_COLLECT),
        "collect": Step(frozenset({"issued"}), "collected", Permission.SKTM_COLLECT),
        "revoke": Step(frozenset({"issued", "collected"}), "revoked", Permission.SKTM_REVOKE),
        "cancel": Step(
            frozenset({"draft", "submitted", "returned", "checked", "verified", "signing"}),
            "cancelled",
            Permission.SKTM_CANCEL,
        ),
    },
)

EDITABLE = frozenset({"draft", "returned"})
