"""One host with people and clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.people_site import add_user, people_site, settings_for
from tests.site import Site


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A host with people and clients, known as ``localhost``, where browsers know passkeys."""
    settings = settings_for(sign_in={"passkeys": True})
    with people_site(tmp_path_factory.mktemp("house") / "site", settings) as site:
        add_user(site, "ann", "analysts", name="Ann Example")
        add_user(site, "uma", "united", name="Uma Air", attributes={"carrier": "UA"})
        yield site
