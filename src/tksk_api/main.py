"""`create_app`: wiring only, nothing at import time."""

import gc
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from sqlalchemy.orm import configure_mappers
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tksk_api import __version__, openapi
from tksk_api.database.engine import create_engine, create_read_pool
from tksk_api.database.reads import ReadPool
from tksk_api.database.roles import refuse_unsafe_role
from tksk_api.database.session import session_factory
from tksk_api.domain.attachments.inspectors import Inspectors
from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.audit.service import sealing
from tksk_api.domain.jobs.worker import working
from tksk_api.domain.notifications.gateways import gateways_of
from tksk_api.domain.notifications.outbox import sending
from tksk_api.domain.sktm_letters.look_ups import LookUps
from tksk_api.http import problems
from tksk_api.http.dependencies import House
from tksk_api.http.edge import Edge, Guard, Origins, origins_policy
from tksk_api.http.idempotency import Replayed
from tksk_api.http.rate import RateLimits, quotas
from tksk_api.http.routing import body_limits
from tksk_api.routers import operations
from tksk_api.security.crypto import load_key_file
from tksk_api.security.letter_signing import LetterKeys
from tksk_api.security.passwords import Passwords
from tksk_api.security.signing import SigningKeys
from tksk_api.security.tokens import Tokens
from tksk_api.services import SERVICES
from tksk_api.settings import Settings
from tksk_api.telemetry import Metrics, configure_logging


def create_app(settings: Settings, services: Collection[str] = ()) -> FastAPI:
    """The application with all services, or only the named ones. Raises KeyFileError or KeyError before serving."""
    configure_logging(settings.log_level)
    chosen = {name: SERVICES[name] for name in (services or SERVICES)}
    metrics = Metrics()
    keyring = load_key_file(settings.key_file)
    signing = SigningKeys(keyring.signing, settings.key_file)
    tokens = Tokens(signing, settings.public_url, settings.access_token_minutes * 60)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = create_engine(settings)
        pool = await create_read_pool(settings)
        async with pool.acquire() as connection:
            await refuse_unsafe_role(connection)
        sessions = session_factory(engine)
        sessions.configure(info={"keyring": keyring})
        passwords = Passwords(settings.password_workers, settings.password_queue)
        app.state.house = House(
            settings=settings,
            engine=engine,
            sessions=sessions,
            reads=ReadPool(pool, settings.pool_timeout_seconds),
            keyring=keyring,
            tokens=tokens,
            passwords=passwords,
            metrics=metrics,
            limits=RateLimits(keyring, quotas(settings)),
            look_ups=LookUps(),
            letter_keys=LetterKeys(keyring.letters, settings.key_file),
            vault=Vault(settings),
            inspectors=(inspectors := Inspectors(settings.attachment_workers, settings.attachment_queue)),
        )
        house = app.state.house
        handlers = {kind: handler for service in chosen.values() for kind, handler in service.jobs.items()}
        handlers |= {kind: made(house) for service in chosen.values() for kind, made in service.house_jobs.items()}
        long = {kind: made(house) for service in chosen.values() for kind, made in service.long_jobs.items()}
        chores = [chore for service in chosen.values() for chore in service.chores]
        async with (
            house.limits.shared(engine),
            house.look_ups.shared(engine),
            sealing(sessions, settings.seal_seconds),
            working(sessions, handlers, chores, settings.job_seconds),
            working(sessions, long, (), settings.job_seconds),  # a page of an import is longer than any other step
            sending(
                sessions,
                gateways_of(settings),
                settings.messages_per_day,
                settings.message_seconds,
                metrics.messages,
            ),
        ):
            _settle()
            yield
        inspectors.close()
        passwords.close()
        await pool.close()
        await engine.dispose()

    kind = FastAPIOffline if settings.docs_enabled else FastAPI
    app = kind(
        title="TKSK API",
        version=__version__,
        docs_url=None,  # openapi.install makes the page
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs_enabled else None,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for router in (*(router for service in chosen.values() for router in service.routers), operations.router):
        # One flat list: include_router keeps each router apart and tries them in turn, half of a small read's time.
        app.router.routes.extend(router.routes)
    problems.install(app)
    app.add_exception_handler(Replayed, _replay)
    # From the inside out: a browser of a listed origin must be able to read what Guard refuses, too.
    app.add_middleware(Guard, body_limit=settings.body_limit_bytes, larger=body_limits(app.routes))
    if settings.cors_origins:
        app.add_middleware(Origins, **origins_policy(settings.cors_origins))
    app.add_middleware(Edge, public_url=settings.public_url, metrics=metrics)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    openapi.install(app, chosen, settings.public_url, publish=settings.docs_enabled)
    return app


def _settle() -> None:
    """Before the first request, once in a process: what otherwise stops every request in the middle of some answer.

    The mappers are made ready, and what the application is made of, some 350,000 objects, is taken out of what the
    garbage collector goes through; a large answer made it do so time and again, for a quarter of a second each.
    """
    configure_mappers()
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


async def _replay(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Replayed)
    return error.response
