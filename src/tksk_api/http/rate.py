"""A limit per client address for what needs no account; counted per process, in a fixed window of a minute."""

import time

from cachetools import TTLCache

from tksk_api.errors import DomainError

_WINDOW_SECONDS = 60


class RateLimit:
    """`take` counts one request and gives the RateLimit headers; over the quota it raises too_many_requests."""

    def __init__(self, name: str, quota: int) -> None:
        self._name = name
        self._quota = quota
        self._counts: TTLCache[tuple[str, int], int] = TTLCache(maxsize=100_000, ttl=2 * _WINDOW_SECONDS)

    def take(self, client: str) -> dict[str, str]:
        now = time.time()
        window = int(now // _WINDOW_SECONDS)
        left = int(_WINDOW_SECONDS - now % _WINDOW_SECONDS) + 1
        used = self._counts.get((client, window), 0) + 1
        self._counts[client, window] = used
        if used > self._quota:
            raise DomainError("too_many_requests", retry_after=left)
        return {
            "RateLimit-Policy": f'"{self._name}";q={self._quota};w={_WINDOW_SECONDS}',
            "RateLimit": f'"{self._name}";r={self._quota - used};t={left}',
        }
