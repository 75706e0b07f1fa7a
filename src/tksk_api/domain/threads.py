"""Files written in a thread, while the loop serves others and the connection of the transaction is not forgotten."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 5  # far below `idle_in_transaction_session_timeout`


@asynccontextmanager
async def in_threads(made: AbstractContextManager[T], look: Callable[[], Awaitable[object]]) -> AsyncIterator[T]:
    """Enter and leave `made`, which may take long over either, in a thread.

    Leaving is what finishes a workbook: `look` is awaited every few seconds of it, and asks something of the database.
    """
    entered = await asyncio.to_thread(made.__enter__)
    try:
        yield entered
    except BaseException as error:
        if not await asyncio.to_thread(made.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        finishing = asyncio.create_task(asyncio.to_thread(made.__exit__, None, None, None))
        try:
            while not (await asyncio.wait({finishing}, timeout=_LOOK_SECONDS))[0]:
                await look()
        finally:
            await asyncio.wait({finishing})
        finishing.result()
