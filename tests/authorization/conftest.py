"""The rows of five villages, made once per module."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from authorization.positions import Positions, build_positions


@pytest.fixture(scope="module")
async def at(app: Any, module_owner: Any) -> AsyncIterator[Positions]:
    """Everybody and everything of the five villages."""
    async with build_positions(app, module_owner) as built:
        yield built
