"""The table of services: each is a set of routers with its own OpenAPI document, served together or alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

from tksk_api import domain
from tksk_api.domain.eligibility import simulation
from tksk_api.domain.exports.service import KIND as EXPORT
from tksk_api.domain.exports.upkeep import settle as settle_exports
from tksk_api.domain.imports.service import KIND as IMPORT
from tksk_api.domain.imports.upkeep import settle
from tksk_api.domain.jobs.worker import Chore, Handler
from tksk_api.domain.notifications.outbox import remind_of_reports, tell_deadlines
from tksk_api.domain.referrals.lapse import lapse
from tksk_api.domain.reports.many import step as compile_many
from tksk_api.domain.reports.service import COMPILE_MANY, RENDER_MANY
from tksk_api.domain.sktm_applications import sign_many
from tksk_api.domain.statistics.upkeep import fold
from tksk_api.http.dependencies import House
from tksk_api.routers import (
    access_grants,
    activities,
    activity_kinds,
    activity_templates,
    agencies,
    assignments,
    attachments,
    audit,
    auth,
    beneficiaries,
    clients,
    dashboard,
    decile_snapshots,
    document_names,
    duplicates,
    enrolments,
    exports,
    families,
    identity,
    imports,
    jobs,
    me,
    notifications,
    oauth,
    office_certificates,
    partners,
    ppks_assessments,
    presentations,
    privacy_requests,
    programs,
    proposals,
    reference,
    referrals,
    regions,
    report_calendars,
    report_verification,
    reports,
    sktm_applications,
    sktm_numbers,
    sktm_policies,
    statistics,
    users,
    verification,
    visit_forms,
    visits,
    worklist,
)


@dataclass(frozen=True)
class Service:
    """One row: what the service is for, the routers that make it, and what it does in the background."""

    title: str
    description: str
    routers: tuple[APIRouter, ...]
    jobs: Mapping[str, Handler] = field(default_factory=dict)
    house_jobs: Mapping[str, Callable[[House], Handler]] = field(default_factory=dict)  # those that need what it owns
    long_jobs: Mapping[str, Callable[[House], Handler]] = field(default_factory=dict)  # whose steps keep others waiting
    chores: tuple[Chore, ...] = ()


SERVICES: Mapping[str, Service] = {
    "identity": Service(
        "Identity",
        "Sign-in, users and their roles, who works where, who has seen what, regions and the reference lists.",
        (
            auth.router,
            oauth.router,
            me.router,
            users.router,
            assignments.router,
            clients.router,
            audit.router,
            regions.router,
            reference.router,
        ),
    ),
    "registry": Service(
        "Registry",
        "People in need and their families, their rights to their data, the home visits paid to them, where findings "
        "and official deciles disagree, photos and papers, and the partners who help.",
        (
            beneficiaries.router,
            duplicates.router,
            identity.router,
            document_names.router,
            ppks_assessments.router,
            access_grants.router,
            visits.router,
            visit_forms.router,
            proposals.router,
            families.router,
            decile_snapshots.router,
            statistics.router,
            dashboard.router,
            partners.router,
            attachments.router,
            privacy_requests.router,
        ),
        chores=(Chore("fold_figures", 10, fold),),
    ),
    "sktm": Service(
        "SKTM",
        "Applications for a certificate of being unable to pay, their way to the signature, and the issued letters.",
        (
            sktm_applications.router,
            sktm_numbers.router,
            sktm_policies.router,
            office_certificates.router,
            verification.router,
            presentations.router,
        ),
        house_jobs={sign_many.KIND: sktm_applications.signing},
    ),
    "referrals": Service(
        "Referrals",
        "Programmes and who may qualify, agencies, what became of a referral, and what is due for whom.",
        (programs.router, agencies.router, referrals.router, enrolments.router, worklist.router),
        jobs={simulation.KIND: simulation.step},
        chores=(Chore("lapse_referrals", 900, lapse),),
    ),
    "notifications": Service(
        "Notifications",
        "What happened to one's cases and what waits for one, and how one is told.",
        (notifications.router,),
        chores=(Chore("tell_deadlines", 3600, tell_deadlines),),
    ),
    "reports": Service(
        "Reports",
        "What was done in a month, quarter, semester or year: a district's own report, the recaps above it, their way "
        "to acceptance, and when they are due.",
        (reports.router, report_calendars.router, report_verification.router),
        jobs={COMPILE_MANY: compile_many},
        house_jobs={RENDER_MANY: reports.rendering},
        chores=(Chore("remind_of_reports", 3600, remind_of_reports),),
    ),
    "bulk": Service(
        "Bulk",
        "Tables from other systems: looked through, written by the rules that hold for one record, and taken back; "
        "and lists as files.",
        (imports.router, exports.router),
        long_jobs={IMPORT: imports.importing, EXPORT: exports.exporting},
        chores=(Chore("settle_imports", 30, settle), Chore("settle_exports", 30, settle_exports)),
    ),
    "jobs": Service("Jobs", "Work that takes longer than a request: its progress and result.", (jobs.router,)),
    "activities": Service(
        "Activities",
        "The officers' work log in four pillars, the kinds of work there are, and templates for what comes again.",
        (activities.router, activity_kinds.router, activity_templates.router),
    ),
}


def import_models() -> None:
    """Import every `domain/*/models.py`, so that the metadata is complete."""
    for package in iter_modules(domain.__path__):
        if package.ispkg:
            name = f"tksk_api.domain.{package.name}.models"
            try:
                import_module(name)
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
