"""One table: which role may do what. Names are `noun:verb`; every operation declares exactly one of them."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """Who works with the system (API §2). Machine clients get scopes, not a role."""

    ADMIN = "admin"
    MINISTRY = "ministry"
    PROVINCE_OFFICE = "province_office"
    REGENCY_OFFICE = "regency_office"
    DISTRICT_HEAD = "district_head"
    VILLAGE_HEAD = "village_head"
    VILLAGE_CLERK = "village_clerk"
    TKSK = "tksk"
    COORDINATOR = "coordinator"
    AGENCY = "agency"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What an operation may require; the text beside each is published in the OpenAPI document."""

    def __new__(cls, value: str, meaning: str) -> "Permission":
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    meaning: str

    @classmethod
    def named(cls, value: str) -> "Permission":
        """The member with this value; KeyError otherwise."""
        member = cls._value2member_map_[value]
        assert isinstance(member, cls)
        return member

    SIGNED_IN = "session:use", "Any signed-in user, also one whose password must be changed first"
    NOTIFICATION_OWN = "notification:own", "Read one's own notifications, and say how one wants to be told"
    USER_READ = "user:read", "See users of one's own area"
    USER_MANAGE = "user:manage", "Create, change, disable and reset users of one's own area"
    BENEFICIARY_READ = "beneficiary:read", "See, list and search people of one's own area, identity numbers masked"
    BENEFICIARY_WRITE = "beneficiary:write", "Register and correct people of one's own area"
    BENEFICIARY_MOVE = "beneficiary:move", "Record that a person moved to another village"
    BENEFICIARY_DELETE = "beneficiary:delete", "Withdraw a wrongly registered person"
    BENEFICIARY_REVEAL = "beneficiary:reveal", "Read a full NIK or family card number, with purpose and reason"
    BENEFICIARY_EXISTS = "beneficiary:exists", "Ask whether somebody with a NIK is registered anywhere; recorded"
    BENEFICIARY_MERGE = "beneficiary:merge", "Merge two records of one person of one's own area, and take it back"
    DUPLICATE_DECIDE = "duplicate:decide", "Say that two people of one's own area are not one, or look at them again"
    TIMELINE_READ = "beneficiary:timeline", "See all that happened to one person in order, as far as one sees each part"
    BENEFICIARY_STATEMENT = "beneficiary:statement", "Give a person the statement of their own data; recorded"
    BENEFICIARY_IDENTIFY = "beneficiary:identify", "Attach, verify and correct identity numbers, and record deaths"
    PPKS_READ = "ppks_assessment:read", "See PPKS assessments of one's own area, the sensitive ones left out"
    PPKS_WRITE = "ppks_assessment:write", "Assess PPKS categories and end them"
    PPKS_SENSITIVE = "ppks_assessment:sensitive", "See and assess the sensitive PPKS categories as well; recorded"
    FAMILY_READ = "family:read", "See families of one's own area, and their deciles"
    FAMILY_WRITE = "family:write", "Register and change families of one's own area"
    DECILE_WRITE = "decile:write", "Record what the national data say of a family's decile"
    STATISTICS_READ = "statistics:read", "See where evidence about people of one's own area disagrees"
    FIGURES_READ = "statistics:figures", "See counts of one's own area; small ones only where one may see the rows"
    GRANT_READ = "access_grant:read", "See who read people of one's own area from outside it"
    GRANT_CREATE = "access_grant:create", "Break the glass: read one person outside one's own area, with a reason"
    GRANT_REVOKE = "access_grant:revoke", "End such a grant for a person of one's own area"
    PRIVACY_READ = "privacy_request:read", "See the requests people made about their own data"
    PRIVACY_CREATE = "privacy_request:create", "Take in a person's request about their own data"
    PRIVACY_DECIDE = "privacy_request:decide", "Fulfil or refuse such a request"
    ASSIGNMENT_READ = "assignment:read", "See who is the officer of which district of one's own area"
    ASSIGNMENT_MANAGE = "assignment:manage", "Assign officers to districts of one's own area, and end it"
    CLIENT_READ = "client:read", "See machine clients of one's own area"
    CLIENT_MANAGE = "client:manage", "Create, renew and end machine clients of one's own area"
    AUDIT_READ = "audit:read", "Read the access log"
    VISIT_READ = "visit:read", "See home visits"
    VISIT_WRITE = "visit:write", "Plan, change, complete and cancel home visits"
    PROPOSAL_READ = "proposal:read", "See what visits found to be otherwise than the register says"
    PROPOSAL_DECIDE = "proposal:decide", "Accept such a finding into the register, or reject it"
    ATTACHMENT_READ = "attachment:read", "See photos and papers; identity documents need `beneficiary:reveal` as well"
    ATTACHMENT_WRITE = "attachment:write", "Attach photos and papers, and take them back"
    POLICY_READ = "sktm_policy:read", "See the SKTM policies"
    POLICY_WRITE = "sktm_policy:write", "Set the SKTM policy of one's own area"
    NUMBER_VOID = "sktm_number:void", "Void letter numbers of one's own area"
    CERTIFICATE_READ = "office_certificate:read", "See which certificates seal letters in one's own area"
    CERTIFICATE_MANAGE = "office_certificate:manage", "Give offices of one's own area a certificate, and retire it"
    SKTM_READ = "sktm:read", "See SKTM applications and letters"
    SKTM_PRINT = "sktm:print", "Fetch the letter itself, which bears full identity numbers; recorded"
    SKTM_CREATE = "sktm:create", "Draft and correct applications"
    SKTM_SUBMIT = "sktm:submit", "Submit an application"
    SKTM_RETURN = "sktm:return", "Return an application for completion"
    SKTM_CHECK = "sktm:check", "Check the documents"
    SKTM_VERIFY = "sktm:verify", "Verify by visit and recommend"
    SKTM_REJECT = "sktm:reject", "Reject with a reason"
    SKTM_SIGN = "sktm:sign", "Sign as a signatory of the region"
    SKTM_COLLECT = "sktm:collect", "Record that the letter was handed over"
    SKTM_REVOKE = "sktm:revoke", "Revoke an issued letter"
    SKTM_CANCEL = "sktm:cancel", "Cancel an application before it is issued"
    PRESENTATION_CREATE = "presentation:create", "Record that a letter was shown at one's own agency"
    PROGRAM_READ = "program:read", "See programmes"
    PROGRAM_WRITE = "program:write", "Write what a programme asks for from a day on; offices only local programmes'"
    PROGRAM_ADVISE = "program:advise", "Ask what a programme's rules say of a person of one's own area; recorded"
    PROGRAM_SIMULATE = "program:simulate", "Count who would qualify in one's own area, naming nobody"
    JOB_FOLLOW = "job:follow", "Follow and cancel one's own jobs"
    IMPORT_RUN = "import:run", "Import tables of what one may write one by one, and take one's own imports back"
    EXPORT_RUN = "export:run", "Export lists that one may read as a file"
    REGION_WRITE = "region:write", "Add, rename and end regions of the nation's list, by file"
    AGENCY_READ = "agency:read", "See the directory of agencies"
    AGENCY_WRITE = "agency:write", "Maintain agencies of one's own area"
    PARTNER_READ = "partner:read", "See the directory of social partners"
    PARTNER_WRITE = "partner:write", "Maintain social partners of one's own area"
    REFERRAL_READ = "referral:read", "See referrals of one's own area, or addressed to one's agency"
    REFERRAL_DOCUMENTS = "referral:documents", "Open the files of a referral to one's own agency; recorded"
    REFERRAL_CREATE = "referral:create", "Draft, submit, supplement and cancel referrals"
    REFERRAL_ANSWER = "referral:answer", "Answer for the agency, or record its paper answer"
    WORKLIST_READ = "worklist:read", "See what is due for oneself, or overdue where one watches over others' work"
    ACTIVITY_READ = "activity:read", "See the activity log"
    ACTIVITY_WRITE = "activity:write", "Log one's own work and submit it"
    ACTIVITY_CONTINUE = (
        "activity:continue",
        "Correct, withdraw and submit entries of the log: one's own, or those of an officer who left the district",
    )
    ACTIVITY_REVIEW = "activity:review", "Return or accept submitted activities"
    ACTIVITY_KIND_WRITE = "activity_kind:write", "Add kinds of activity for one's own area, rename and retire them"
    REPORT_READ = "report:read", "See reports and recaps of one's own area"
    REPORT_WRITE = "report:write", "Compile, complete and submit the report of one's own district, regency or province"
    REPORT_REVIEW = "report:review", "Return or accept the reports of the level below, and have drafts compiled"
    REPORT_ACKNOWLEDGE = "report:acknowledge", "Acknowledge the report of one's own district"
    REPORT_CALENDAR_WRITE = "report_calendar:write", "Set when reports of one's own area are due"
    ACTIVITY_TEMPLATE = "activity_template:keep", "Keep templates of activities: officers own, offices shared ones"


_P = Permission
_SEES = {_P.BENEFICIARY_READ, _P.VISIT_READ, _P.SKTM_READ, _P.REFERRAL_READ, _P.ACTIVITY_READ, _P.PARTNER_READ}
_SEES |= {_P.TIMELINE_READ, _P.PROPOSAL_READ}
_SEES |= {_P.PPKS_READ, _P.FAMILY_READ, _P.STATISTICS_READ, _P.FIGURES_READ, _P.EXPORT_RUN}
_KNOWS = {_P.SIGNED_IN, _P.NOTIFICATION_OWN, _P.WORKLIST_READ, _P.POLICY_READ, _P.PROGRAM_READ, _P.AGENCY_READ}
_REGISTERS = {_P.BENEFICIARY_WRITE, _P.BENEFICIARY_MOVE, _P.BENEFICIARY_REVEAL, _P.ATTACHMENT_WRITE}
_REGISTERS |= {_P.FAMILY_WRITE, _P.BENEFICIARY_IDENTIFY, _P.PPKS_WRITE, _P.IMPORT_RUN}
_HANDLES = {_P.SKTM_CREATE, _P.SKTM_SUBMIT, _P.SKTM_RETURN, _P.SKTM_CHECK, _P.SKTM_COLLECT, _P.SKTM_CANCEL}
_HANDLES |= {_P.PROGRAM_ADVISE}
# Where a village has no clerk and a district no officer, the regency decides what a visit proposed.
_DECIDES = {_P.PROPOSAL_DECIDE}
_HOLDS_LETTERS = {_P.SKTM_PRINT, _P.ATTACHMENT_READ}
_OFFICE = {_P.USER_READ, _P.USER_MANAGE, _P.POLICY_WRITE, _P.AGENCY_WRITE, _P.ACTIVITY_REVIEW, _P.GRANT_READ}
_OFFICE |= {_P.GRANT_REVOKE, _P.PRIVACY_READ, _P.BENEFICIARY_EXISTS, _P.PARTNER_WRITE}
_OFFICE |= {_P.DECILE_WRITE, _P.IMPORT_RUN}
_ASSIGNS = {_P.ASSIGNMENT_READ, _P.ASSIGNMENT_MANAGE}
_OFFICE |= _ASSIGNS
_REPORTS = {_P.REPORT_READ, _P.REPORT_WRITE, _P.REPORT_REVIEW}
_OFFICE |= _REPORTS | {_P.REPORT_CALENDAR_WRITE}
_MACHINES = {_P.CLIENT_READ, _P.CLIENT_MANAGE}
_COUNTS = {_P.PROGRAM_SIMULATE, _P.JOB_FOLLOW, _P.FIGURES_READ}
# Whoever keeps the certificate signs no letter.
_CERTIFIES = {_P.CERTIFICATE_READ, _P.CERTIFICATE_MANAGE}
_RULES = {_P.PROGRAM_WRITE, _P.ACTIVITY_KIND_WRITE, _P.ACTIVITY_TEMPLATE} | _COUNTS

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(
        _KNOWS
        | _MACHINES
        | _ASSIGNS
        | _COUNTS
        | _CERTIFIES
        | {_P.USER_READ, _P.USER_MANAGE, _P.POLICY_WRITE, _P.AGENCY_WRITE, _P.IMPORT_RUN}
        | {_P.EXPORT_RUN, _P.REGION_WRITE}
    ),
    Role.MINISTRY: frozenset(
        _KNOWS
        | _SEES
        | _MACHINES
        | _RULES
        | _REPORTS
        | {_P.USER_READ, _P.GRANT_READ, _P.ASSIGNMENT_READ, _P.DECILE_WRITE, _P.IMPORT_RUN}
    ),
    Role.PROVINCE_OFFICE: frozenset(_KNOWS | _SEES | _OFFICE | _MACHINES | _RULES),
    Role.REGENCY_OFFICE: frozenset(
        _KNOWS
        | _SEES
        | _DECIDES
        | _HOLDS_LETTERS
        | _CERTIFIES
        | _OFFICE
        | _RULES
        | {
            _P.PROGRAM_ADVISE,
            _P.BENEFICIARY_DELETE,
            _P.BENEFICIARY_MERGE,
            _P.BENEFICIARY_REVEAL,
            _P.DUPLICATE_DECIDE,
            _P.BENEFICIARY_STATEMENT,
            _P.BENEFICIARY_IDENTIFY,
            _P.PPKS_WRITE,
            _P.PPKS_SENSITIVE,
            _P.GRANT_CREATE,
            _P.PRIVACY_CREATE,
            _P.PRIVACY_DECIDE,
            _P.ACTIVITY_CONTINUE,
            _P.SKTM_REVOKE,
            _P.NUMBER_VOID,
            _P.REFERRAL_CREATE,
            _P.REFERRAL_ANSWER,
        }
    ),
    Role.DISTRICT_HEAD: frozenset(
        _KNOWS
        | _SEES
        | _HOLDS_LETTERS
        | {_P.USER_READ, _P.ASSIGNMENT_READ, _P.SKTM_REJECT, _P.SKTM_SIGN, _P.SKTM_REVOKE, _P.JOB_FOLLOW}
        | {_P.REPORT_READ, _P.REPORT_ACKNOWLEDGE}
    ),
    Role.VILLAGE_HEAD: frozenset(
        _KNOWS
        | _SEES
        | _HOLDS_LETTERS
        | {_P.USER_READ, _P.SKTM_RETURN, _P.SKTM_REJECT, _P.SKTM_SIGN, _P.SKTM_REVOKE, _P.JOB_FOLLOW}
    ),
    Role.VILLAGE_CLERK: frozenset(
        _KNOWS
        | _SEES
        | _DECIDES
        | _HOLDS_LETTERS
        | _REGISTERS
        | _HANDLES
        | {_P.BENEFICIARY_EXISTS, _P.DUPLICATE_DECIDE, _P.PRIVACY_READ, _P.PRIVACY_CREATE, _P.PARTNER_WRITE}
    ),
    Role.TKSK: frozenset(
        _KNOWS
        | _SEES
        | _DECIDES
        | _HOLDS_LETTERS
        | _REGISTERS
        | _HANDLES
        | {_P.VISIT_WRITE, _P.SKTM_VERIFY, _P.SKTM_REJECT, _P.REFERRAL_CREATE, _P.REFERRAL_ANSWER, _P.ACTIVITY_WRITE}
        | {_P.ACTIVITY_CONTINUE, _P.ACTIVITY_TEMPLATE, _P.REPORT_READ, _P.REPORT_WRITE}
        | {_P.BENEFICIARY_EXISTS, _P.BENEFICIARY_STATEMENT, _P.GRANT_READ, _P.GRANT_CREATE, _P.PPKS_SENSITIVE}
        | {_P.PRIVACY_READ, _P.PRIVACY_CREATE, _P.PARTNER_WRITE, _P.ASSIGNMENT_READ}
        | {_P.BENEFICIARY_MERGE, _P.DUPLICATE_DECIDE}
    ),
    # Works through the officers of a regency or province (DOMAIN §1.2): their work and their districts, nobody's file.
    Role.COORDINATOR: frozenset(
        _KNOWS
        | {_P.ASSIGNMENT_READ, _P.ACTIVITY_READ, _P.PARTNER_READ, _P.REPORT_READ, _P.FIGURES_READ}
        | {_P.EXPORT_RUN}
    ),
    Role.AGENCY: frozenset(
        _KNOWS | {_P.PRESENTATION_CREATE, _P.REFERRAL_READ, _P.REFERRAL_ANSWER, _P.REFERRAL_DOCUMENTS}
    ),
    Role.AUDITOR: frozenset(
        _KNOWS
        | _SEES
        | {_P.USER_READ, _P.ASSIGNMENT_READ, _P.CLIENT_READ, _P.GRANT_READ, _P.PRIVACY_READ, _P.AUDIT_READ}
        | {_P.REPORT_READ, _P.CERTIFICATE_READ}
    ),
}

# Whoever may do one of these must sign in with a one-time code too (ASVS 5 V6.3.3): administrators, signatories,
# and whoever decides about or looks through many people's data.
_OTP_PERMISSIONS = {_P.USER_MANAGE, _P.CLIENT_MANAGE, _P.SKTM_SIGN, _P.PRIVACY_DECIDE, _P.AUDIT_READ}
OTP_ROLES: frozenset[str] = frozenset(role for role, granted in ROLE_PERMISSIONS.items() if granted & _OTP_PERMISSIONS)

# What a machine client may be given as a scope. Revealing, signing, deciding and managing need a person; visits and
# the work log are a person's own work. A timeline is for people to read: machines read the lists it is made of.
MACHINE_SCOPES: frozenset[Permission] = frozenset(
    _SEES - {_P.TIMELINE_READ}
    | {_P.POLICY_READ, _P.PROGRAM_READ, _P.AGENCY_READ, _P.REPORT_READ, _P.BENEFICIARY_WRITE}
    | {_P.DECILE_WRITE, _P.REFERRAL_CREATE, _P.REFERRAL_ANSWER, _P.USER_READ, _P.PRESENTATION_CREATE, _P.IMPORT_RUN}
    | _COUNTS
)

# Which of them a role may give. Whoever makes a client can act as it, so a role gives what it may do itself: an
# administrator, who sees nobody in the register, gives nothing about people in it, and a client that reads a province
# or the nation needs the office that answers for it. One thing more: a province may have people registered and referred
# by its own systems (bulk import is what clients are for); the officers below it hold both permissions.
CLIENT_SCOPES: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: MACHINE_SCOPES & ROLE_PERMISSIONS[Role.ADMIN],
    Role.MINISTRY: MACHINE_SCOPES & ROLE_PERMISSIONS[Role.MINISTRY],
    Role.PROVINCE_OFFICE: MACHINE_SCOPES & ROLE_PERMISSIONS[Role.PROVINCE_OFFICE]
    | {_P.BENEFICIARY_WRITE, _P.REFERRAL_CREATE},
}

# What an administrator, who makes an agency's users too, may give to a client of an agency that has no area: it sees
# only what is addressed to the agency.
AGENCY_SCOPES: frozenset[Permission] = MACHINE_SCOPES & ROLE_PERMISSIONS[Role.AGENCY]

# The level of region a role works in; None: the nation, or for agencies the place they serve. A coordinator's may be
# one level up as well (`levels_of`).
ROLE_REGION_LEVEL: Mapping[Role, str | None] = {
    Role.ADMIN: None,
    Role.MINISTRY: None,
    Role.PROVINCE_OFFICE: "province",
    Role.REGENCY_OFFICE: "regency",
    Role.DISTRICT_HEAD: "district",
    Role.VILLAGE_HEAD: "village",
    Role.VILLAGE_CLERK: "village",
    Role.TKSK: "district",
    Role.COORDINATOR: "regency",
    Role.AGENCY: None,
    Role.AUDITOR: None,
}

# Who may create and change users of which role: never above oneself.
MANAGES: Mapping[Role, frozenset[Role]] = {
    Role.ADMIN: frozenset(Role),
    Role.PROVINCE_OFFICE: frozenset(
        {
            Role.REGENCY_OFFICE,
            Role.DISTRICT_HEAD,
            Role.VILLAGE_HEAD,
            Role.VILLAGE_CLERK,
            Role.TKSK,
            Role.COORDINATOR,
        }
    ),
    Role.REGENCY_OFFICE: frozenset(
        {Role.DISTRICT_HEAD, Role.VILLAGE_HEAD, Role.VILLAGE_CLERK, Role.TKSK, Role.COORDINATOR}
    ),
}


def levels_of(role: Role) -> tuple[str, ...]:
    """The levels of region a role may work in; () for the nation. There are coordinators of provinces (DOMAIN §1.2)."""
    level = ROLE_REGION_LEVEL[role]
    if role is Role.COORDINATOR:
        return (str(level), "province")
    return () if level is None else (level,)


def roles_with(permission: Permission) -> tuple[str, ...]:
    """The roles that hold a permission, for `app.enter` to compare with the caller's role of this moment."""
    return tuple(sorted(role for role, granted in ROLE_PERMISSIONS.items() if permission in granted))
