"""Work that comes round again while the service runs, such as handing counts to the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from tksk_api.telemetry import log


@asynccontextmanager
async def in_rounds(
    work: Callable[[], Awaitable[None]], seconds: float, complaint: str, *, and_at_the_end: bool = False
) -> AsyncIterator[None]:
    """Do the work every so many seconds while the block runs, and once more afterwards if asked to.

    What fails is tried again in the next round, whatever it was; the log hears of the first failure in a row.
    """
    stop = asyncio.Event()
    task = asyncio.create_task(_go_round(work, seconds, complaint, stop, and_at_the_end))
    try:
        yield
    finally:
        stop.set()
        await task


async def _go_round(
    work: Callable[[], Awaitable[None]], seconds: float, complaint: str, stop: asyncio.Event, and_at_the_end: bool
) -> None:
    is_well = True
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
            if not and_at_the_end:
                return
        try:
            await work()
            is_well = True
        except Exception as error:  # without this task the counts would silently be less
            if is_well:
                log.warning(complaint, kind=type(error).__name__)
            is_well = False
