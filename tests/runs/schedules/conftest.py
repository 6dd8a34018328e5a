"""An office on each of the two stores."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.runs.house import Stores
from tests.runs.schedules.office import Office, open_office


@pytest.fixture
async def office(stores: Stores) -> AsyncIterator[Office]:
    async with open_office(stores) as opened:
        yield opened


@pytest.fixture
async def desk(sqlite: Stores) -> AsyncIterator[Office]:
    """On SQLite alone, for what does not depend on the store."""
    async with open_office(sqlite) as opened:
        yield opened
