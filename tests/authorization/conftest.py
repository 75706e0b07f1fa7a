"""The rows of five villages, made once for all tests of this directory."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from authorization.positions import Positions, build_positions


@pytest.fixture(scope="package")
async def at(app: Any, _owner: tuple[Any, str]) -> AsyncIterator[Positions]:
    """Everybody and everything of the five villages. Tests may add rows; none takes one away."""
    connection, empty = _owner
    async with build_positions(app, connection) as built:
        yield built
    await connection.execute(empty)
