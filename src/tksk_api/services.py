"""The table of services: each is a set of routers with its own OpenAPI document, served together or alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

from tksk_api import domain
from tksk_api.domain.eligibility import simulation
from tksk_api.domain.jobs.worker import Chore, Handler
from tksk_api.domain.referrals.lapse import lapse
from tksk_api.routers import (
    access_grants,
    activities,
    agencies,
    assignments,
    attachments,
    audit,
    auth,
    beneficiaries,
    clients,
    decile_snapshots,
    document_names,
    duplicates,
    enrolments,
    families,
    identity,
    jobs,
    me,
    oauth,
    partners,
    ppks_assessments,
    presentations,
    privacy_requests,
    programs,
    proposals,
    reference,
    referrals,
    regions,
    sktm_applications,
    sktm_numbers,
    sktm_policies,
    statistics,
    users,
    verification,
    visit_forms,
    visits,
)


@dataclass(frozen=True)
class Service:
    """One row: what the service is for, the routers that make it, and what it does in the background."""

    title: str
    description: str
    routers: tuple[APIRouter, ...]
    jobs: Mapping[str, Handler] = field(default_factory=dict)
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
            partners.router,
            attachments.router,
            privacy_requests.router,
        ),
    ),
    "sktm": Service(
        "SKTM",
        "Applications for a certificate of being unable to pay, their way to the signature, and the issued letters.",
        (
            sktm_applications.router,
            sktm_numbers.router,
            sktm_policies.router,
            verification.router,
            presentations.router,
        ),
    ),
    "referrals": Service(
        "Referrals",
        "Programmes and who may qualify, agencies, and what became of a referral.",
        (programs.router, agencies.router, referrals.router, enrolments.router),
        jobs={simulation.KIND: simulation.step},
        chores=(Chore("lapse_referrals", 900, lapse),),
    ),
    "jobs": Service("Jobs", "Work that takes longer than a request: its progress and result.", (jobs.router,)),
    "activities": Service("Activities", "The officers' work log in four pillars.", (activities.router,)),
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
