from __future__ import annotations

from collections.abc import Iterator

import pytest

from saaf_autogen.auth.identity.records import UserRecord
from tests.auth.authorization.flows import CLIENTS
from tests.site import Site, serving_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One host for all tests of a module; they may move its clock forward."""
    settings = {"clients": CLIENTS, "tenants": ["default", "acme"]}
    with serving_site(tmp_path_factory.mktemp("authorization"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def ann(site: Site) -> UserRecord:
    return site.identity.users.add("ann", name="Ann", scopes=["semantic:read"])
