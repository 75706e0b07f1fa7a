"""What is told to whom: one row for each thing that happens. A new workflow gets its notifications by rows here.

Where it happens is the database's to know: every step of every workflow is a row of `transitions`, and a trigger there
reads these rows as `tksk migrate` loaded them (docs/decisions/0017-notifications.md).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from tksk_api.security.permissions import Permission, Role, roles_with

# What a user can choose channels for. `account` is about themselves and is always shown.
Kind = Literal["task", "outcome", "deadline", "letter_use", "program", "account"]
Channel = Literal["in_app", "email", "whatsapp", "sms"]
# How a user is told who said nothing else; of what others did to their account also where they would notice it.
DEFAULT_CHANNELS: Mapping[Kind, tuple[Channel, ...]] = {
    "task": ("in_app",),
    "outcome": ("in_app",),
    "deadline": ("in_app",),
    "letter_use": ("in_app",),
    "program": ("in_app",),
    "account": ("in_app", "email"),
}
FIELDS = frozenset({"first_name", "case_number", "office", "program", "due_on"})


@dataclass(frozen=True)
class Notice:
    """Who is told when `action` happens to a row of the table `entity`, and by which text of templates.toml.

    `state` narrows it to a step that ends there, or to the row's situation (`app.situation`). Recipients: `creator` of
    the row; `role:<role>` around it; `next_signatory` by the policy of the application; `agency` it is addressed to;
    `presenters`, agencies that had the letter; `holder`, the user it is about; `below:<role>`, of a region and all
    below it; `applicant`, the person, by telephone and only with their consent. Of two rows that name somebody for one
    event, the first one tells them.
    """

    entity: str
    action: str
    recipients: tuple[str, ...]
    template: str
    kind: Kind
    state: str | None = None


@dataclass(frozen=True)
class Template:
    """A short text in both languages; its fields in braces are among `FIELDS`."""

    code: str
    title_id: str
    title_en: str
    body_id: str
    body_en: str


_SKTM, _REFERRALS, _CERTIFICATES = "sktm_applications", "referrals", "office_certificates"
_OFFICER, _CLERK = "role:tksk", "role:village_clerk"
_OURS = ("creator", _OFFICER)
_ENDS = "certificate_expiring"

NOTICES: tuple[Notice, ...] = (
    Notice(_SKTM, "submit", (_CLERK, _OFFICER), "sktm_submitted", "task"),
    Notice(_SKTM, "return", ("creator", _CLERK), "sktm_returned", "task"),
    Notice(_SKTM, "check", (_OFFICER,), "sktm_checked", "task", state="to_verify"),
    Notice(_SKTM, "check", ("next_signatory",), "sktm_checked_to_sign", "task", state="to_sign"),
    Notice(_SKTM, "verify", ("next_signatory",), "sktm_to_sign", "task"),
    Notice(_SKTM, "sign", ("next_signatory",), "sktm_to_sign", "task", state="signing"),
    Notice(_SKTM, "sign", ("creator", _CLERK), "sktm_issued", "outcome", state="to_collect"),
    Notice(_SKTM, "sign", ("applicant",), "applicant_issued", "outcome", state="to_collect"),
    # Signed by hand: whoever applied is told when the signed paper is there.
    Notice(_SKTM, "sign", ("creator", _CLERK), "sktm_to_scan", "task", state="to_scan"),
    Notice(_SKTM, "signed-scan", ("creator", _CLERK), "sktm_issued", "outcome", state="to_collect"),
    Notice(_SKTM, "signed-scan", ("applicant",), "applicant_issued", "outcome", state="to_collect"),
    Notice(_SKTM, "reject", ("creator", _CLERK), "sktm_rejected", "outcome"),
    Notice(_SKTM, "cancel", ("creator", _CLERK), "sktm_cancelled", "outcome"),
    Notice(_SKTM, "revoke", ("creator", _CLERK, _OFFICER), "sktm_revoked", "outcome"),
    Notice(_SKTM, "revoke", ("presenters",), "presented_letter_revoked", "letter_use"),
    Notice(_SKTM, "expiring", (_OFFICER, _CLERK), "letter_expiring", "deadline"),
    Notice(_SKTM, "expiring", ("applicant",), "applicant_letter_expiring", "deadline"),
    Notice(_REFERRALS, "submit", ("agency",), "referral_submitted", "task"),
    Notice(_REFERRALS, "transfer", ("agency",), "referral_submitted", "task"),
    Notice(_REFERRALS, "request-documents", _OURS, "referral_documents_requested", "task"),
    Notice(_REFERRALS, "supply-documents", ("agency",), "referral_documents_supplied", "task"),
    Notice(_REFERRALS, "approve", _OURS, "referral_approved", "outcome"),
    Notice(_REFERRALS, "reject", _OURS, "referral_rejected", "outcome"),
    Notice(_REFERRALS, "waitlist", _OURS, "referral_waitlisted", "outcome"),
    Notice(_REFERRALS, "activate", _OURS, "referral_activated", "outcome"),
    Notice(_REFERRALS, "end", _OURS, "referral_ended", "outcome"),
    Notice(_REFERRALS, "lapse", (*_OURS, "agency"), "referral_lapsed", "outcome"),
    Notice(_REFERRALS, "cancel", ("agency", "creator"), "referral_cancelled", "outcome"),
    Notice(_REFERRALS, "activation_near", _OURS, "referral_activation_near", "deadline"),
    Notice(_REFERRALS, "activation_near", ("applicant",), "applicant_activation_near", "deadline"),
    Notice(_REFERRALS, "waiting_list_near", (*_OURS, "agency"), "referral_waiting_list_near", "deadline"),
    Notice("presentations", "present", (_OFFICER, _CLERK), "letter_presented", "letter_use", state="first"),
    Notice("presentations", "present", (_OFFICER, _CLERK), "letter_presented_again", "letter_use", state="elsewhere"),
    Notice("activities", "return", ("creator",), "activity_returned", "task"),
    Notice("reports", "submit", ("role:regency_office",), "report_submitted", "task"),
    Notice("reports", "return", _OURS, "report_returned", "task"),
    Notice("reports", "accept", _OURS, "report_accepted", "outcome"),
    Notice("reports", "due", (_OFFICER,), "report_due", "deadline"),
    Notice("reports", "overdue", (_OFFICER,), "report_overdue", "deadline"),
    Notice("reports", "districts_missing", ("role:regency_office",), "reports_missing", "deadline"),
    Notice(_CERTIFICATES, "expiring", ("role:regency_office",), _ENDS, "deadline", state="below_province"),
    # A province's is the administrator's to renew, and seals where a regency has none of its own.
    Notice(_CERTIFICATES, "expiring", ("role:admin", "below:regency_office"), _ENDS, "deadline", state="of_province"),
    Notice("assignments", "begin", ("holder",), "assignment_begins", "account"),
    Notice("assignments", "end", ("holder",), "assignment_ends", "account"),
    Notice("users", "reset_password", ("holder",), "password_reset", "account"),
    Notice("users", "reset_otp", ("holder",), "otp_reset", "account"),
    Notice("notification_settings", "change", ("holder",), "addresses_changed", "account"),
    Notice("program_versions", "change", ("below:tksk", "below:regency_office"), "program_changed", "program"),
)

# What a recipient must be allowed to read, besides working where the row lies.
READ_BY: Mapping[str, Permission] = {
    _SKTM: Permission.SKTM_READ,
    _REFERRALS: Permission.REFERRAL_READ,
    "presentations": Permission.SKTM_READ,
    "activities": Permission.ACTIVITY_READ,
    "reports": Permission.REPORT_READ,
    _CERTIFICATES: Permission.CERTIFICATE_READ,
    "program_versions": Permission.PROGRAM_READ,
}


def readers_of(entity: str) -> tuple[str, ...]:
    """The roles that may read rows of the table; all of them where a notice is about the recipient alone."""
    permission = READ_BY.get(entity)
    return tuple(sorted(Role)) if permission is None else roles_with(permission)


@cache
def templates() -> tuple[Template, ...]:
    """The packaged texts. Raises TypeError for one that lacks a language."""
    content = tomllib.loads(files(__package__).joinpath("templates.toml").read_text(encoding="utf-8"))
    return tuple(Template(code=code, **texts) for code, texts in content.items())
