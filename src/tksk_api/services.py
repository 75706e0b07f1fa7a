"""The table of services: each is a set of routers with its own OpenAPI document, served together or alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

from tksk_api import domain
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
    me,
    oauth,
    partners,
    privacy_requests,
    programs,
    reference,
    referrals,
    regions,
    sktm_applications,
    sktm_policies,
    users,
    verification,
    visits,
)


@dataclass(frozen=True)
class Service:
    """One row: what the service is for, and the routers that make it."""

    title: str
    description: str
    routers: tuple[APIRouter, ...]


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
        "People in need, their rights to their data, the home visits paid to them, photos and papers, and the partners "
        "who help.",
        (
            beneficiaries.router,
            access_grants.router,
            visits.router,
            partners.router,
            attachments.router,
            privacy_requests.router,
        ),
    ),
    "sktm": Service(
        "SKTM",
        "Applications for a certificate of being unable to pay, their way to the signature, and the issued letters.",
        (sktm_applications.router, sktm_policies.router, verification.router),
    ),
    "referrals": Service(
        "Referrals",
        "Programmes, agencies and what became of a referral.",
        (programs.router, agencies.router, referrals.router),
    ),
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
