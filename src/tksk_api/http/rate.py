"""Rate limits that all processes share, without a question to the database in any request."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import count, islice
from math import ceil
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from tksk_api.database.rounds import in_rounds
from tksk_api.domain.limits.service import add_counts, counter_key, forget_counts, over_quota, window_end
from tksk_api.security.crypto import Keyring
from tksk_api.settings import Settings

WINDOW_SECONDS = 60
_SHARE_SECONDS = 1.0
_SHARED_AT_ONCE = 5_000
_TURNS_UNTIL_FORGOTTEN = 60


class Policy(StrEnum):
    """What is counted apart. `default` counts a user or machine client, the others a client address."""

    DEFAULT = "default"
    PUBLIC = "public"
    SIGN_IN = "sign-in"
    VERIFICATION = "verification"


def quotas(settings: Settings) -> dict[Policy, int]:
    """How many requests each policy allows in a window."""
    return {
        Policy.DEFAULT: settings.requests_per_minute,
        Policy.PUBLIC: settings.public_requests_per_minute,
        Policy.SIGN_IN: settings.sign_in_per_minute,
        Policy.VERIFICATION: settings.verification_per_minute,
    }


def address_of(scope: Mapping[str, Any]) -> str:
    """The client's address as it is counted: IPv4 as it is, IPv6 by its /64, which is what one customer holds.

    Whatever is not an address counts as one caller.
    """
    return _counted_as((scope.get("client") or ("",))[0])


@lru_cache(maxsize=10_000)
def _counted_as(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return "-"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))
    return str(address)


@dataclass(slots=True)
class _Count:
    window_end: int
    known: int = 0  # of all processes, when we last asked
    pending: int = 0  # ours, since then


class RateLimits:
    """Counts in memory; once a second all new counts go to the database in one statement, which answers with the sums.

    A request is refused when the known sum and our own pending requests have used up the quota. Several processes
    together can therefore exceed it, by what they let through in about a second. Without the database each process
    goes on by itself. At most `most_keys` callers are remembered; the one not seen for longest is forgotten first.
    """

    def __init__(
        self,
        keyring: Keyring,
        quotas: Mapping[Policy, int],
        *,
        most_keys: int = 100_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keyring = keyring
        self._quotas = quotas
        self._most_keys = most_keys
        self._clock = clock
        self._counts: OrderedDict[bytes, _Count] = OrderedDict()
        self._changed: dict[bytes, None] = {}  # a set that remembers who waits longest

    def __len__(self) -> int:
        return len(self._counts)

    def take(self, scope: MutableMapping[str, Any], policy: Policy, caller: str | None = None) -> None:
        """Count a request of this caller, or else of the client's address, and note the headers for the answer.

        Raises too_many_requests over the quota; a refused request is not counted.
        """
        now = self._clock()
        key = counter_key(self._keyring, policy, caller or address_of(scope))
        entry = self._entry(key, now)
        quota, seconds = self._quotas[policy], ceil(entry.window_end - now)
        left = quota - entry.known - entry.pending
        scope["rate_limit"] = [
            (b"ratelimit-policy", f'"{policy}";q={quota};w={WINDOW_SECONDS}'.encode()),
            (b"ratelimit", f'"{policy}";r={max(0, left - 1)};t={seconds}'.encode()),
        ]
        if left <= 0:
            raise over_quota(policy, seconds)
        entry.pending += 1
        self._changed[key] = None

    def _entry(self, key: bytes, now: float) -> _Count:
        entry = self._counts.get(key)
        if entry is None or entry.window_end <= now:
            entry = self._counts[key] = _Count(window_end(key, WINDOW_SECONDS, now))
        self._counts.move_to_end(key)
        if len(self._counts) > self._most_keys:
            forgotten, _ = self._counts.popitem(last=False)
            self._changed.pop(forgotten, None)
        return entry

    def shared(self, engine: AsyncEngine) -> AbstractAsyncContextManager[None]:
        """Share the counts with the other processes while the block runs."""
        turns = count()

        async def share() -> None:
            turn = next(turns)
            await self.share(engine)
            if turn % _TURNS_UNTIL_FORGOTTEN == 0:
                await self._forget(engine)

        return in_rounds(share, _SHARE_SECONDS, "rate_limits_not_shared")

    async def _forget(self, engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await forget_counts(connection, self._clock())

    async def share(self, engine: AsyncEngine) -> None:
        """Add what was counted since the last time to the database, and learn the sums."""
        keys = list(islice(self._changed, _SHARED_AT_ONCE))
        if not keys:
            return
        for key in keys:
            del self._changed[key]
        sent = {key: (self._counts[key], self._counts[key].pending) for key in keys}
        try:
            async with engine.begin() as connection:
                sums = await add_counts(
                    connection, [(entry.window_end, key, pending) for key, (entry, pending) in sent.items()]
                )
        except BaseException:
            self._changed.update(dict.fromkeys(key for key in keys if key in self._counts))
            raise
        for key, total in sums.items():
            entry, pending = sent[key]
            entry.known, entry.pending = total, entry.pending - pending
