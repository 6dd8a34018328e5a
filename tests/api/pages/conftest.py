"""A host with people, and somebody who visits it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.pages.visitor import Visitor
from tests.people_site import add_user, people_site, settings_for
from tests.site import Site


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    registers = {"registration": "open", "registration_scopes": ["warehouse:query"]}
    settings = settings_for(oauth=registers)
    settings["clients"][0]["title"] = TITLE
    with people_site(tmp_path_factory.mktemp("pages") / "site", settings, name="127.0.0.1") as site:
        add_user(site, "ann", "analysts", name="Ann <b>Example</b>")
        add_user(site, "uma", "united", name="Uma Air", attributes={"carrier": "UA"})
        add_user(site, "nix", name="Nix Nothing")
        yield site


# A client that would like to look like another one: markup, a turn of direction, and length.
TITLE = "<script>alert(1)</script>\u202egro.elpmaxe\u202c\u200b " + "very long name " * 12


@pytest.fixture
def visitor(house: Site) -> Iterator[Visitor]:
    with Visitor(house) as someone:
        yield someone
