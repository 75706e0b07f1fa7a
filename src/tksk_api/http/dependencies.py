"""What a handler asks for: a session to write with, a reader to read with. Permission and scope come along."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from starlette.requests import Request

from tksk_api.database.admission import Admission
from tksk_api.database.reads import Reader, ReadPool
from tksk_api.database.session import enter, enter_system
from tksk_api.domain.attachments.inspectors import Inspectors
from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.history.access import outcome_of, record_refusal
from tksk_api.domain.sktm_letters.look_ups import LookUps
from tksk_api.errors import DomainError
from tksk_api.http.idempotency import KeyedRequest
from tksk_api.http.rate import RateLimits
from tksk_api.security.crypto import Keyring
from tksk_api.security.letter_signing import LetterKeys
from tksk_api.security.passwords import Passwords
from tksk_api.security.tokens import Tokens
from tksk_api.settings import Settings
from tksk_api.telemetry import Metrics


@dataclass(frozen=True)
class House:
    """What one running application owns; made once in `create_app`, found at `app.state.house`."""

    settings: Settings
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    reads: ReadPool
    keyring: Keyring
    tokens: Tokens
    passwords: Passwords
    metrics: Metrics
    limits: RateLimits
    look_ups: LookUps
    letter_keys: LetterKeys
    vault: Vault
    inspectors: Inspectors


def house_of(request: Request) -> House:
    house: House = request.app.state.house
    return house


def admission_of(request: Request) -> Admission:
    """Set by the route before the handler runs; missing on a public operation, which then fails closed."""
    admission: Admission = request.state.admission
    return admission


@asynccontextmanager
async def _entered(request: Request) -> AsyncIterator[AsyncSession]:
    """A transaction in the caller's name. What is refused or not found in it leaves an access row all the same."""
    async with enter(house_of(request).sessions, admission_of(request)) as session:
        try:
            yield session
        except DomainError as refusal:
            outcome = outcome_of(refusal.code)
            if outcome is not None:
                action = "read" if request.method == "GET" else "write"
                await record_refusal(session, outcome, action, _asked(request))
            raise


def _asked(request: Request) -> UUID | None:
    """The id in the address, which nobody has checked yet."""
    try:
        return UUID(request.path_params["id"])
    except (KeyError, ValueError):
        return None


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    house = house_of(request)
    async with _entered(request) as session:
        header = request.headers.get("idempotency-key") if request.method == "POST" else None
        keyed = KeyedRequest(session, house.keyring, request, header) if header is not None else None
        if keyed is not None:
            await keyed.claim()
        yield session
        if keyed is not None:
            reply = session.info["reply"]
            await (keyed.release() if reply is None else keyed.keep(reply))


async def _system_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with Door(request).system() as session:
        yield session


class Door:
    """Lets a handler enter the database more than once, so that slow work holds no connection in between."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def system(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A transaction of the system itself."""
        request_id = UUID(self._request.scope["request_id"])
        return enter_system(house_of(self._request).sessions, self._request.scope["route"].name, request_id)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[AsyncSession]:
        """A transaction in the caller's name, before the slow work. A retry is answered here; nothing is kept."""
        async with self.act() as session:
            session.info["reply"] = None
            yield session

    def act(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A transaction in the caller's name, as `SessionDep`: the answer is kept for a retry."""
        return asynccontextmanager(_session)(self._request)


async def _door(request: Request) -> Door:
    return Door(request)


async def _reader(request: Request) -> Reader:
    return Reader(house_of(request).reads, admission_of(request))


async def _public_reader(request: Request) -> Reader:
    return Reader(house_of(request).reads, None)


async def _house(request: Request) -> House:
    return house_of(request)


# All of them `async`: FastAPI sends a plain function to a thread, which costs a small read a quarter of its time.
# scope="function" closes the session, and so commits, before the first byte of the answer leaves; the default commits
# afterwards, and a failed COMMIT would already have been answered with 200.
SessionDep = Annotated[AsyncSession, Depends(_session, scope="function")]
SystemSessionDep = Annotated[AsyncSession, Depends(_system_session, scope="function")]
DoorDep = Annotated[Door, Depends(_door)]
ReaderDep = Annotated[Reader, Depends(_reader)]
PublicReaderDep = Annotated[Reader, Depends(_public_reader)]
HouseDep = Annotated[House, Depends(_house)]
